// What the node makes of messages, tested without ROS: a message with the members of
// sensor_msgs/PointCloud2. Exits with the number of the check that fails.
#include "point_cloud2.h"

#include <cmath>
#include <cstdio>

namespace {

struct Field {
  std::string name;
  std::uint32_t offset = 0;
  std::uint8_t datatype = 0;
  std::uint32_t count = 1;
};

struct Message {
  std::string header;
  std::uint32_t height = 0, width = 0;
  std::vector<Field> fields;
  bool is_bigendian = false;
  std::uint32_t point_step = 0, row_step = 0;
  std::vector<std::uint8_t> data;
  bool is_dense = false;
};

template <typename T>
void put(Message& message, std::size_t at, T value) {
  std::memcpy(message.data.data() + at, &value, sizeof value);
}

// Two rows of two points with a gap after each row: float32 x, y, float64 z, uint16 intensity, rgb.
Message message() {
  using namespace salanet_ros;
  Message made;
  made.header = "lidar", made.height = 2, made.width = 2, made.point_step = 24, made.row_step = 52;
  made.fields = {{"x", 0, kFloat32, 1},
                 {"y", 4, kFloat32, 1},
                 {"z", 8, kFloat64, 1},
                 {"intensity", 16, kUint16, 1},
                 {"rgb", 20, kFloat32, 1}};
  made.data.resize(52 + 48);
  for (int i = 0; i < 4; ++i) {
    const std::size_t at = static_cast<std::size_t>(i / 2 * 52 + i % 2 * 24);
    put(made, at, 1.0f + static_cast<float>(i)), put(made, at + 4, -2.5f);
    put(made, at + 8, i == 3 ? std::nan("") : 0.125);
    put(made, at + 16, static_cast<std::uint16_t>(1000 + i));
    put(made, at + 20, std::uint32_t{0x00102030});
  }
  return made;
}

template <typename Spoil>
bool refused(Spoil&& spoil) {
  Message made = message();
  spoil(made);
  try {
    salanet_ros::frame_of(made);
  } catch (const std::runtime_error&) {
    return true;
  }
  return false;
}

int failed = 0, checks = 0;
void check(bool holds) {
  ++checks;
  if (!holds && failed == 0) failed = checks;
}

}  // namespace

int main() {
  const Message given = message();
  const Frame frame = salanet_ros::frame_of(given);
  check(frame.size() == 4 && frame.points[6] == 3.0 && frame.points[7] == -2.5);
  check(frame.points[2] == 0.125 && std::isnan(frame.points[11]));
  check(frame.intensity == std::vector<float>({1000, 1001, 1002, 1003}));
  check(frame.rgb.size() == 12 && frame.rgb[0] == 0x10 && frame.rgb[1] == 0x20 &&
        frame.rgb[2] == 0x30);

  const Message found = salanet_ros::labelled(given, frame, {0, 1, 2, -1});
  check(found.header == "lidar" && found.width == 2 && found.height == 2 && found.row_step == 32);
  const Frame again = salanet_ros::frame_of(found);
  check(again.points[6] == 3.0 && again.rgb.empty() && again.intensity.empty());
  const auto* label = salanet_ros::field_of(found, "label");
  check(label != nullptr && label->datatype == salanet_ros::kInt32);
  check(salanet_ros::number(found.data.data() + 48 + label->offset, label->datatype) == -1);

  check(salanet_ros::frame_of(Message{"", 0, 0, given.fields, false, 24, 0, {}, true}).size() == 0);
  check(refused([](Message& m) { m.is_bigendian = true; }));
  check(refused([](Message& m) { m.data.pop_back(); }));
  check(refused([](Message& m) { m.row_step = 47; }));
  check(refused([](Message& m) { m.fields.erase(m.fields.begin() + 2); }));
  check(refused([](Message& m) { m.fields[2].offset = 17; }));
  check(refused([](Message& m) { m.fields[0].datatype = 9; }));
  std::printf("%d checks, %s\n", checks, failed == 0 ? "all hold" : "one fails");
  return failed;
}
