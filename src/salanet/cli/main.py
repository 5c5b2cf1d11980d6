"""`salanet COMMAND …`: finds the command, runs it, turns errors into one line and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module

from salanet import __version__
from salanet.cli.signals import unwinding
from salanet.terminal import visible

# Each module is imported only when its command runs, so `salanet --help` stays fast.
COMMANDS = {
    "demo": ("salanet.cli.demo", "label a generated scan of a room and show the result"),
    "prepare": (
        "salanet.cli.prepare",
        "turn labelled files or a benchmark into scenes to train on",
    ),
    "train": ("salanet.cli.train", "train a model with a recipe"),
    "compare": (
        "salanet.cli.compare",
        "train several operators alike, and one table of how they did",
    ),
    "evaluate": ("salanet.cli.evaluate", "how good a model is on labelled scenes or shapes"),
    "table": ("salanet.cli.table", "results as the paper's tables, beside the published rows"),
    "submit": ("salanet.cli.submit", "label ScanNet's test scans for its benchmark server"),
    "info": ("salanet.cli.info", "what is in point cloud files: extent, attributes, classes"),
    "convert": ("salanet.cli.convert", "a point cloud in another format, and what got lost"),
    "predict": ("salanet.cli.predict", "label point clouds: the same file out, with classes"),
    "refine": ("salanet.cli.refine", "let a model learn from what you have corrected"),
    "smooth": (
        "salanet.cli.smooth",
        "isolated points and small islands of a class put right",
    ),
    "terrain": ("salanet.cli.terrain", "the ground of labelled files as a raster of heights"),
    "view": ("salanet.cli.view", "look at point clouds, in a browser or as a picture"),
    "edit": ("salanet.cli.edit", "correct the classes of a file in the browser"),
    "models": ("salanet.cli.models", "the models that come with the package, and their cards"),
    "export": ("salanet.cli.export", "write a model as ONNX, for devices without PyTorch"),
    "profile": ("salanet.cli.profile", "parameters, MACs, weight bytes and speed of a model"),
}

EXIT_USER_ERROR = 2
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141


def usage() -> str:
    lines = ["usage: salanet COMMAND [options]", "", "commands:"]
    lines += [f"  {name:<10} {summary}" for name, (_, summary) in COMMANDS.items()]
    lines += [
        "",
        "`salanet COMMAND --help` explains one; `--debug` shows a traceback on errors;",
        "`--import MODULE` or FILE.py brings operators, networks, features, data sets of your own.",
        "`--install-completion` lets bash, zsh or fish complete commands and options.",
    ]
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns 0 on success, 130 after Ctrl-C, 143 after SIGTERM, and 2, with one line on stderr,
    after an error of the user or the system (disk full, out of memory).
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    arguments, modules = _imports(arguments)
    arguments = [a for a in arguments if a != "--debug"]
    name = arguments[0] if arguments else "--help"
    try:
        with unwinding():
            if modules:
                from salanet.extensions import use_all

                use_all(modules)
            code = _run(name, arguments[1:])
            sys.stdout.flush()
        return code
    except BrokenPipeError:  # whoever read the output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    except Exception as error:
        from salanet.cli.advice import LESS_MEMORY, advised_error
        from salanet.failures import explain

        message = explain(error, LESS_MEMORY.get(name, "split the files into smaller pieces"))
        if message is None:
            raise
        message = advised_error(error, message)
        if debug:
            traceback.print_exc()
        print(f"salanet {name}: {visible(message)}", file=sys.stderr)
        return EXIT_USER_ERROR
    except KeyboardInterrupt as interrupt:
        print(f"salanet {name}: {str(interrupt) or 'interrupted'}", file=sys.stderr)
        return getattr(interrupt, "exit_code", EXIT_INTERRUPTED)


def _imports(arguments: list[str]) -> tuple[list[str], tuple[str, ...]]:
    """The arguments without --import MODULE, and the modules."""
    rest, modules, words = list[str](), list[str](), iter(arguments)
    for word in words:
        option, equals, module = word.partition("=")
        if option == "--import":
            modules.append(module if equals else next(words, ""))
        else:
            rest.append(word)
    return rest, tuple(modules)


def _run(name: str, arguments: list[str]) -> int:
    if name in ("-h", "--help"):
        print(usage())
        return 0
    if name in ("-V", "--version"):
        print(f"salanet {__version__}")
        return 0
    if name == "--install-completion":
        from salanet.cli import completion

        return completion.main(arguments, COMMANDS)
    if name not in COMMANDS:
        print(f"salanet: unknown command '{visible(name)}'\n\n{usage()}", file=sys.stderr)
        return EXIT_USER_ERROR
    command: Callable[[list[str]], int | None] = import_module(COMMANDS[name][0]).main
    return command(arguments) or 0


if __name__ == "__main__":
    sys.exit(main())
