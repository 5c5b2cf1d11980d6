// JSON (RFC 8259), strictly: what a model file says about itself.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace salanet {

struct Json {
  enum class Kind { null, boolean, number, text, list, object };

  Kind kind = Kind::null;
  bool boolean = false;
  double number = 0;
  std::string text;
  std::vector<Json> items;                            // of a list
  std::vector<std::pair<std::string, Json>> members;  // of an object, in order

  // Throws DataError: it is no JSON, or nested more than 64 deep. Of equal keys the last counts.
  static Json parse(std::string_view text);

  // The member, or null where there is none.
  const Json* find(std::string_view key) const;

  // What is expected of a value; else DataError, which calls it `name`.
  const Json& at(std::string_view key, const char* name) const;  // the member of an object
  const std::string& as_text(const char* name) const;
  double as_number(const char* name) const;
  int64_t as_integer(const char* name, int64_t least, int64_t most) const;
  const std::vector<Json>& as_list(const char* name) const;
};

}  // namespace salanet
