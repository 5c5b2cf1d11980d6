#include "engine/tensors.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>

#include "common/data_error.h"
#include "engine/json.h"

namespace salanet {
namespace {

constexpr size_t kLongestHeader = size_t{100} << 20;  // as the format's own library
constexpr int64_t kLargest = int64_t{1} << 48;
constexpr float kEpsilon = 1e-5f;  // of the batch norms
constexpr std::string_view kCounter = "num_batches_tracked";  // of training; no weight
static_assert(std::endian::native == std::endian::little);

int64_t bytes_of(const std::string& type) {
  if (type == "F64" || type == "I64" || type == "U64") return 8;
  if (type == "F32" || type == "I32" || type == "U32") return 4;
  if (type == "F16" || type == "BF16" || type == "I16" || type == "U16") return 2;
  if (type == "I8" || type == "U8" || type == "BOOL") return 1;
  throw DataError("it has a tensor of the unknown type '" + type + "'");
}

int64_t count_of(const std::vector<int64_t>& shape) {
  int64_t count = 1;
  for (const int64_t size : shape) {
    if (size > 0 && count > kLargest / size) throw DataError("it has a tensor that is too large");
    count *= size;
  }
  return count;
}

float half_to_float(uint16_t half) {
  const uint32_t sign = uint32_t{half & 0x8000u} << 16, exponent = half >> 10 & 31u;
  const uint32_t fraction = half & 0x3ffu;
  if (exponent == 0) {
    const float value = std::ldexp(static_cast<float>(fraction), -24);
    return sign ? -value : value;
  }
  const uint32_t wide = exponent == 31 ? 255u : exponent + 112u;
  return std::bit_cast<float>(sign | wide << 23 | fraction << 13);
}

template <typename T>
T load_bytes(const char* p) {
  T value;
  std::memcpy(&value, p, sizeof(T));
  return value;
}

float element(const TensorEntry& tensor, int64_t i) {
  if (tensor.type == "F32") return load_bytes<float>(tensor.data + 4 * i);
  if (tensor.type == "F64") return static_cast<float>(load_bytes<double>(tensor.data + 8 * i));
  const uint16_t bits = load_bytes<uint16_t>(tensor.data + 2 * i);
  if (tensor.type == "F16") return half_to_float(bits);
  return std::bit_cast<float>(uint32_t{bits} << 16);
}

std::string text_of(const std::vector<int64_t>& shape) {
  std::string text;
  for (const int64_t size : shape) text += (text.empty() ? "" : ", ") + std::to_string(size);
  return "(" + text + ")";
}

}  // namespace

TensorFile::TensorFile(std::string bytes) : bytes_(std::make_unique<std::string>(std::move(bytes))) {
  const std::string& all = *bytes_;
  if (all.size() < 8) throw DataError("it is no safetensors file: too short");
  const auto length = load_bytes<uint64_t>(all.data());
  if (length > all.size() - 8 || length > kLongestHeader)
    throw DataError("it is no safetensors file: its header is longer than the file");
  const Json header = Json::parse(std::string_view(all).substr(8, length));
  if (header.kind != Json::Kind::object) throw DataError("its header is no object");
  const char* data = all.data() + 8 + length;
  const auto size = static_cast<int64_t>(all.size() - 8 - length);

  std::vector<std::pair<int64_t, int64_t>> parts;
  for (const auto& [name, value] : header.members) {
    if (name == "__metadata__") {
      if (const Json* document = value.find("salanet")) document_ = document->as_text("metadata");
      continue;
    }
    TensorEntry tensor{value.at("dtype", "tensor").as_text("dtype"), {}, nullptr};
    for (const Json& extent : value.at("shape", "tensor").as_list("shape"))
      tensor.shape.push_back(extent.as_integer("shape", 0, kLargest));
    const auto& range = value.at("data_offsets", "tensor").as_list("data_offsets");
    if (range.size() != 2) throw DataError("its 'data_offsets' are not two");
    const int64_t begin = range[0].as_integer("data_offsets", 0, size);
    const int64_t end = range[1].as_integer("data_offsets", begin, size);
    if (count_of(tensor.shape) * bytes_of(tensor.type) != end - begin)
      throw DataError("its tensor " + name + " has not as many bytes as its shape says");
    tensor.data = data + begin;
    parts.emplace_back(begin, end);
    if (!entries_.emplace(name, std::move(tensor)).second)
      throw DataError("it has the tensor " + name + " twice");
  }
  std::sort(parts.begin(), parts.end());
  int64_t at = 0;
  for (const auto& [begin, end] : parts) {
    if (begin != at) throw DataError("its tensors overlap or leave gaps");
    at = end;
  }
  if (at != size) throw DataError("it is longer or shorter than its tensors");
}

TensorFile TensorFile::read(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             std::fclose);
  if (file == nullptr) throw DataError(std::string("it cannot be opened: ") + std::strerror(errno));
  std::string bytes;
  char part[1 << 16];
  while (const size_t count = std::fread(part, 1, sizeof part, file.get()))
    bytes.append(part, count);
  if (std::ferror(file.get())) throw DataError("it cannot be read");
  return TensorFile(std::move(bytes));
}

Weights Weights::under(const std::string& name) const {
  Weights found = *this;
  found.prefix_ += name + ".";
  return found;
}

bool Weights::has(const std::string& name) const {
  return file_->entries().count(prefix_ + name) != 0;
}

std::vector<float> Weights::get(const std::string& name, const Shape& shape) const {
  const auto found = file_->entries().find(prefix_ + name);
  if (found == file_->entries().end()) throw DataError("it lacks the tensor " + prefix_ + name);
  const TensorEntry& tensor = found->second;
  if (tensor.type != "F32" && tensor.type != "F16" && tensor.type != "BF16" && tensor.type != "F64")
    throw DataError("its tensor " + found->first + " is of the type " + tensor.type);
  if (tensor.shape != shape)
    throw DataError("its tensor " + found->first + " has the shape " + text_of(tensor.shape) +
                    ", not " + text_of(shape));
  used_->insert(found->first);
  std::vector<float> values(static_cast<size_t>(count_of(shape)));
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = element(tensor, static_cast<int64_t>(i));
    if (!std::isfinite(values[i]))
      throw DataError("its tensor " + found->first + " has NaN or infinite values");
  }
  return values;
}

Norm Weights::norm(int64_t channels) const {
  const Weights norm = under("norm");
  const std::vector<float> weight = norm.get("weight", {channels}), bias = norm.get("bias", {channels});
  const std::vector<float> mean = norm.get("running_mean", {channels});
  const std::vector<float> variance = norm.get("running_var", {channels});
  Norm found;
  for (size_t c = 0; c < weight.size(); ++c) {
    found.scale.push_back(weight[c] / std::sqrt(variance[c] + kEpsilon));
    found.shift.push_back(bias[c] - mean[c] * found.scale[c]);
    if (!std::isfinite(found.scale[c]) || !std::isfinite(found.shift[c]))
      throw DataError("its batch norm " + prefix_ + " has an impossible variance");
  }
  return found;
}

void Weights::require_all_used() const {
  for (const auto& [name, tensor] : file_->entries())
    if (used_->count(name) == 0 && !name.ends_with(kCounter))
      throw DataError("it has a tensor " + name + ", which the network has not");
}

}  // namespace salanet
