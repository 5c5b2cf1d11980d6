// Between sensor_msgs/PointCloud2 and the arrays that libsalanet takes. A template of the message,
// so that it compiles, and is tested, where ROS is not installed.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "frame_segmenter.h"

namespace salanet_ros {

// Of sensor_msgs/PointField.
enum Datatype : std::uint8_t {
  kInt8 = 1, kUint8, kInt16, kUint16, kInt32, kUint32, kFloat32, kFloat64
};

inline std::size_t size_of(std::uint8_t datatype) {
  static constexpr std::array<std::size_t, 9> sizes{0, 1, 1, 2, 2, 4, 4, 4, 8};
  return datatype < sizes.size() ? sizes[datatype] : 0;
}

template <typename T>
T bytes_as(const std::uint8_t* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

inline double number(const std::uint8_t* at, std::uint8_t datatype) {
  switch (datatype) {
    case kInt8: return bytes_as<std::int8_t>(at);
    case kUint8: return bytes_as<std::uint8_t>(at);
    case kInt16: return bytes_as<std::int16_t>(at);
    case kUint16: return bytes_as<std::uint16_t>(at);
    case kInt32: return bytes_as<std::int32_t>(at);
    case kUint32: return bytes_as<std::uint32_t>(at);
    case kFloat32: return bytes_as<float>(at);
    default: return bytes_as<double>(at);
  }
}

// The field of a name, or null. std::runtime_error: it reaches beyond its point.
template <typename Cloud>
auto field_of(const Cloud& cloud, const std::string& name) -> decltype(cloud.fields.data()) {
  for (const auto& field : cloud.fields) {
    if (field.name != name) continue;
    const std::size_t size = size_of(field.datatype);
    if (size == 0 || field.offset > cloud.point_step || cloud.point_step - field.offset < size)
      throw std::runtime_error("the field " + name + " reaches beyond its point");
    return &field;
  }
  return nullptr;
}

// The points of a message, row by row. std::runtime_error: it has no x, y and z, is of a machine
// with another order of bytes, or has fewer bytes than it says.
template <typename Cloud>
Frame frame_of(const Cloud& cloud) {
  const std::size_t width = cloud.width, height = cloud.height;
  const std::size_t row = width * cloud.point_step;
  if (cloud.is_bigendian) throw std::runtime_error("its numbers are big-endian");
  if (width != 0 && height != 0 &&
      (cloud.row_step < row || cloud.data.size() < (height - 1) * cloud.row_step + row))
    throw std::runtime_error("it has fewer bytes than its width and height say");
  const auto* x = field_of(cloud, "x");
  const auto* y = field_of(cloud, "y");
  const auto* z = field_of(cloud, "z");
  if (x == nullptr || y == nullptr || z == nullptr)
    throw std::runtime_error("it has no fields x, y and z");
  const auto* intensity = field_of(cloud, "intensity");
  const auto* rgb = field_of(cloud, "rgb");
  if (rgb == nullptr) rgb = field_of(cloud, "rgba");
  if (rgb != nullptr && size_of(rgb->datatype) != 4) rgb = nullptr;
  Frame frame;
  frame.points.reserve(3 * width * height);
  for (std::size_t i = 0; i < height; ++i) {
    for (std::size_t j = 0; j < width; ++j) {
      const std::uint8_t* at = cloud.data.data() + i * cloud.row_step + j * cloud.point_step;
      for (const auto* field : {x, y, z})
        frame.points.push_back(number(at + field->offset, field->datatype));
      if (intensity != nullptr)
        frame.intensity.push_back(
            static_cast<float>(number(at + intensity->offset, intensity->datatype)));
      if (rgb != nullptr)  // packed as b, g, r
        for (const int byte : {2, 1, 0}) frame.rgb.push_back(at[rgb->offset + byte]);
    }
  }
  return frame;
}

// The same points with their classes: float32 x, y, z and int32 `label`, -1 for none.
template <typename Cloud>
Cloud labelled(const Cloud& cloud, const Frame& frame, const std::vector<std::int32_t>& labels) {
  using Field = typename std::decay<decltype(cloud.fields[0])>::type;
  Cloud found;
  found.header = cloud.header;
  found.width = cloud.width, found.height = cloud.height;
  found.is_dense = cloud.is_dense, found.is_bigendian = false;
  found.point_step = 16, found.row_step = found.width * found.point_step;
  std::uint32_t offset = 0;
  for (const char* name : {"x", "y", "z", "label"}) {
    Field field;
    field.name = name, field.offset = offset, field.count = 1;
    field.datatype = offset < 12 ? kFloat32 : kInt32;
    found.fields.push_back(field);
    offset += 4;
  }
  found.data.resize(16 * labels.size());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    std::uint8_t* at = found.data.data() + 16 * i;
    for (std::size_t axis = 0; axis < 3; ++axis) {
      const auto value = static_cast<float>(frame.points[3 * i + axis]);
      std::memcpy(at + 4 * axis, &value, 4);
    }
    std::memcpy(at + 12, &labels[i], 4);
  }
  return found;
}

}  // namespace salanet_ros
