// The tensors of a .safetensors file, and the network's weights among them.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace salanet {

struct TensorEntry {
  std::string type;            // as the file calls it: F32, F16, BF16, F64, I64, …
  std::vector<int64_t> shape;
  const char* data;            // little-endian, in the file's bytes; not aligned
};

// A file in memory. Every tensor lies inside it, next to the one before; nothing is executed, and
// nothing is allocated that the bytes do not hold.
class TensorFile {
 public:
  // Throws DataError: not such a file, or damaged.
  explicit TensorFile(std::string bytes);
  // Throws DataError: cannot be read, or as above.
  static TensorFile read(const std::string& path);

  const std::string& document() const { return document_; }  // the JSON that describes the model
  const std::map<std::string, TensorEntry>& entries() const { return entries_; }

 private:
  std::unique_ptr<std::string> bytes_;  // where tensors point to, wherever the object moves
  std::string document_;
  std::map<std::string, TensorEntry> entries_;
};

using Shape = std::vector<int64_t>;

struct Norm {  // a batch norm as scale * x + shift
  std::vector<float> scale, shift;
};

// The tensors under a prefix, as float32. Kernels trust shapes, so every tensor is asked for with
// the shape that the architecture gives it; DataError if it has another or there is none.
class Weights {
 public:
  explicit Weights(const TensorFile& file)
      : file_(&file), used_(std::make_shared<std::set<std::string>>()) {}

  Weights under(const std::string& name) const;
  bool has(const std::string& name) const;
  std::vector<float> get(const std::string& name, const Shape& shape) const;
  Norm norm(int64_t channels) const;

  // DataError if the file has a tensor that nobody has asked for: it is another network's.
  void require_all_used() const;

 private:
  const TensorFile* file_;
  std::string prefix_;
  std::shared_ptr<std::set<std::string>> used_;
};

}  // namespace salanet
