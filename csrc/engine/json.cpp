#include "engine/json.h"

#include <charconv>
#include <cmath>
#include <cstdint>

#include "common/data_error.h"

namespace salanet {
namespace {

constexpr int kDeepest = 64;

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Json whole() {
    Json value = this->value(0);
    space();
    if (at_ != text_.size()) fail("something behind its end");
    return value;
  }

 private:
  [[noreturn]] void fail(const char* what) const {
    throw DataError("its JSON has " + std::string(what) + " at byte " + std::to_string(at_));
  }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  void space() {
    while (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r') ++at_;
  }

  bool take(char c) {
    space();
    if (peek() != c || at_ == text_.size()) return false;
    ++at_;
    return true;
  }

  void word(std::string_view expected) {
    if (text_.substr(at_, expected.size()) != expected) fail("an unknown word");
    at_ += expected.size();
  }

  Json value(int depth) {
    if (depth > kDeepest) fail("too many levels");
    space();
    Json found;
    switch (peek()) {
      case '{': object(found, depth); break;
      case '[': list(found, depth); break;
      case '"':
        found.kind = Json::Kind::text;
        found.text = string();
        break;
      case 't':
      case 'f':
        found.kind = Json::Kind::boolean;
        found.boolean = peek() == 't';
        word(found.boolean ? "true" : "false");
        break;
      case 'n': word("null"); break;
      default:
        found.kind = Json::Kind::number;
        found.number = number();
    }
    return found;
  }

  void object(Json& found, int depth) {
    found.kind = Json::Kind::object;
    ++at_;
    if (take('}')) return;
    do {
      space();
      if (peek() != '"') fail("a key that is no string");
      std::string key = string();
      if (!take(':')) fail("a key without a value");
      found.members.emplace_back(std::move(key), value(depth + 1));
    } while (take(','));
    if (!take('}')) fail("an object without an end");
  }

  void list(Json& found, int depth) {
    found.kind = Json::Kind::list;
    ++at_;
    if (take(']')) return;
    do found.items.push_back(value(depth + 1));
    while (take(','));
    if (!take(']')) fail("a list without an end");
  }

  double number() {
    const size_t start = at_;
    if (peek() == '-') ++at_;
    const auto digits = [&] {
      const size_t first = at_;
      while (peek() >= '0' && peek() <= '9') ++at_;
      if (at_ == first) fail("no value");
    };
    digits();
    if (peek() == '.') ++at_, digits();
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      digits();
    }
    double value = 0;
    const auto done = std::from_chars(text_.data() + start, text_.data() + at_, value);
    if (done.ec != std::errc() || done.ptr != text_.data() + at_) fail("a number out of range");
    return value;
  }

  uint32_t hexadecimal() {
    uint32_t code = 0;
    if (text_.size() - at_ < 4) fail("a broken escape");
    const auto done = std::from_chars(text_.data() + at_, text_.data() + at_ + 4, code, 16);
    if (done.ptr != text_.data() + at_ + 4) fail("a broken escape");
    at_ += 4;
    return code;
  }

  static void append(std::string& out, uint32_t code) {
    const auto byte = [&](uint32_t bits) { out.push_back(static_cast<char>(bits)); };
    if (code < 0x80) return byte(code);
    if (code < 0x800) {
      byte(0xc0 | code >> 6);
    } else {
      if (code < 0x10000) {
        byte(0xe0 | code >> 12);
      } else {
        byte(0xf0 | code >> 18);
        byte(0x80 | (code >> 12 & 0x3f));
      }
      byte(0x80 | (code >> 6 & 0x3f));
    }
    byte(0x80 | (code & 0x3f));
  }

  void escape(std::string& out) {
    switch (const char c = peek(); ++at_, c) {
      case '"': case '\\': case '/': out.push_back(c); return;
      case 'b': out.push_back('\b'); return;
      case 'f': out.push_back('\f'); return;
      case 'n': out.push_back('\n'); return;
      case 'r': out.push_back('\r'); return;
      case 't': out.push_back('\t'); return;
      case 'u': break;
      default: --at_; fail("a broken escape");
    }
    uint32_t code = hexadecimal();
    if (code >= 0xd800 && code < 0xdc00 && text_.substr(at_, 2) == "\\u") {
      at_ += 2;
      const uint32_t low = hexadecimal();
      if (low < 0xdc00 || low > 0xdfff) fail("half a character");
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    if (code >= 0xd800 && code < 0xe000) fail("half a character");
    append(out, code);
  }

  std::string string() {
    std::string out;
    for (++at_; at_ < text_.size(); ) {
      const char c = text_[at_];
      if (static_cast<unsigned char>(c) < 0x20) fail("a control character in a string");
      ++at_;
      if (c == '"') return out;
      if (c == '\\')
        escape(out);
      else
        out.push_back(c);
    }
    fail("a string without an end");
  }

  std::string_view text_;
  size_t at_ = 0;
};

// Characters of UTF-8, none longer than it must be, no halves of surrogate pairs.
bool is_utf8(std::string_view text) {
  constexpr uint32_t kLeast[] = {0, 0x80, 0x800, 0x10000};
  for (size_t i = 0; i < text.size();) {
    const auto first = static_cast<unsigned char>(text[i++]);
    if (first < 0x80) continue;
    const int more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
    if (first < 0xc2 || first > 0xf4 || text.size() - i < static_cast<size_t>(more)) return false;
    uint32_t code = first & (0x3fu >> more);
    for (int k = 0; k < more; ++k) {
      const auto next = static_cast<unsigned char>(text[i++]);
      if ((next & 0xc0) != 0x80) return false;
      code = code << 6 | (next & 0x3fu);
    }
    if (code < kLeast[more] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return false;
  }
  return true;
}

[[noreturn]] void mismatch(const char* name, const char* wanted) {
  throw DataError("its '" + std::string(name) + "' is " + wanted);
}

}  // namespace

Json Json::parse(std::string_view text) {
  if (!is_utf8(text)) throw DataError("its JSON is no UTF-8");
  return Parser(text).whole();
}

const Json* Json::find(std::string_view key) const {
  for (auto member = members.rbegin(); member != members.rend(); ++member)
    if (member->first == key) return &member->second;
  return nullptr;
}

const Json& Json::at(std::string_view key, const char* name) const {
  if (kind != Kind::object) mismatch(name, "no object");
  const Json* found = find(key);
  if (found == nullptr) throw DataError("it has no '" + std::string(key) + "'");
  return *found;
}

const std::string& Json::as_text(const char* name) const {
  if (kind != Kind::text) mismatch(name, "no string");
  return text;
}

double Json::as_number(const char* name) const {
  if (kind != Kind::number) mismatch(name, "no number");
  return number;
}

int64_t Json::as_integer(const char* name, int64_t least, int64_t most) const {
  const double value = as_number(name);
  const bool whole = std::floor(value) == value;
  if (!whole || value < static_cast<double>(least) || value > static_cast<double>(most))
    throw DataError("its '" + std::string(name) + "' is no whole number from " +
                    std::to_string(least) + " to " + std::to_string(most));
  return static_cast<int64_t>(value);
}

const std::vector<Json>& Json::as_list(const char* name) const {
  if (kind != Kind::list) mismatch(name, "no list");
  return items;
}

}  // namespace salanet
