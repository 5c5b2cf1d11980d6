"""`salanet --install-completion`: the shell completes commands and their options.

What can follow `salanet` is written down once, when it is installed: completing a word starts no
Python.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout, suppress
from importlib import import_module
from pathlib import Path

from salanet.errors import ConfigError
from salanet.io.atomic import atomic_path

Commands = Mapping[str, tuple[str, str]]  # the module of each, and what it does
PREPARE = ("files", "s3dis", "scannet", "partnet", "rooms", "surveys")
WHERE = {  # and what else a shell needs
    "bash": (".local/share/bash-completion/completions/salanet", ""),
    "zsh": (
        ".local/share/zsh/site-functions/_salanet",
        "; ~/.zshrc needs, before compinit: fpath+=(~/.local/share/zsh/site-functions)",
    ),
    "fish": (".config/fish/completions/salanet.fish", ""),
}
BASH = """\
_salanet() {
  local word=${COMP_WORDS[COMP_CWORD]} words=
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    words="COMMANDS"
  else
    case ${COMP_WORDS[1]} in
CASES
    esac
    [[ $word == -* || ($COMP_CWORD == 2 && ${COMP_WORDS[1]} == prepare) ]] || return 0
  fi
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o default -F _salanet salanet
"""
ZSH = """\
#compdef salanet
if ((CURRENT == 2)); then
  compadd -- COMMANDS
elif [[ $PREFIX == -* || ($CURRENT == 3 && ${words[2]} == prepare) ]]; then
  case $words[2] in
CASES
  esac
else
  _files
fi
"""


def main(argv: Sequence[str], commands: Commands) -> int:
    """Write the script for the shell named, or the one in use, where that shell looks for it."""
    shell = argv[0] if argv else Path(os.environ.get("SHELL", "")).name
    if shell not in WHERE:
        raise ConfigError(f"say which shell: salanet --install-completion {'|'.join(WHERE)}")
    place, hint = WHERE[shell]
    path = Path.home() / place
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        known = {name: options(name, module) for name, (module, _) in commands.items()}
        temporary.write_text(script(shell, commands, known), "utf-8")
    print(f"{path} is written; new shells complete{hint}")
    return 0


def options(command: str, module: str) -> list[str]:
    """The options of a command, as its help has them; for `prepare` also what it prepares."""
    words = ["files", "--help"] if command == "prepare" else ["--help"]
    said = io.StringIO()
    with redirect_stdout(said), suppress(SystemExit):
        import_module(module).main(words)
    found = dict.fromkeys(re.findall(r"(?<![\w-])--[a-z][a-z-]*", said.getvalue()))
    return [*(PREPARE if command == "prepare" else ()), *found]


def script(shell: str, commands: Commands, known: Mapping[str, list[str]]) -> str:
    """What one shell reads, given the words that may follow each command."""
    if shell == "fish":
        new = "complete -c salanet -n __fish_use_subcommand -f"
        lines = [f"{new} -a {name} -d '{_quoted(commands[name][1])}'" for name in known]
        for name, words in known.items():
            after = f"complete -c salanet -n '__fish_seen_subcommand_from {name}'"
            lines += [f"{after} {_for_fish(word)}" for word in words]
        return "\n".join(lines) + "\n"
    first = " ".join([*known, "--help", "--version", "--install-completion"])
    if shell == "bash":
        cases = [f'      {name}) words="{" ".join(words)}" ;;' for name, words in known.items()]
        return BASH.replace("COMMANDS", first).replace("CASES", "\n".join(cases))
    cases = [f"    {name}) compadd -- {' '.join(words)} ;;" for name, words in known.items()]
    return ZSH.replace("COMMANDS", first).replace("CASES", "\n".join(cases))


def _for_fish(word: str) -> str:
    return f"-l {word[2:]}" if word.startswith("--") else f"-a {word}"


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")
