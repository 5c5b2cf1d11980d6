// Subscribes to `points` (sensor_msgs/PointCloud2) and publishes `labelled`: the same points with a
// field `label`. Parameters: `model`, a .safetensors file; `threads`, 0 for one of each processor.
#include <chrono>
#include <memory>
#include <string>

#include <rclcpp/rclcpp.hpp>
#include <sensor_msgs/msg/point_cloud2.hpp>

#include "point_cloud2.h"

namespace salanet_ros {

using sensor_msgs::msg::PointCloud2;

class SegmenterNode : public rclcpp::Node {
 public:
  SegmenterNode()
      : Node("salanet"),
        segmenter_(declare_parameter<std::string>("model"),
                   static_cast<int>(declare_parameter<int>("threads", 0))) {
    std::string classes;
    for (std::size_t i = 0; i < segmenter_.classes(); ++i)
      classes += (i == 0 ? "" : ", ") + std::to_string(i) + " " + segmenter_.name(i);
    RCLCPP_INFO(get_logger(), "classes: %s", classes.c_str());
    // One frame waits: while one is labelled, older ones are not worth it.
    const rclcpp::QoS latest = rclcpp::SensorDataQoS().keep_last(1);
    publisher_ = create_publisher<PointCloud2>("labelled", latest);
    subscription_ = create_subscription<PointCloud2>(
        "points", latest, [this](const PointCloud2& cloud) { label(cloud); });
  }

 private:
  void label(const PointCloud2& cloud) {
    const auto start = std::chrono::steady_clock::now();
    try {
      const Frame frame = frame_of(cloud);
      publisher_->publish(labelled(cloud, frame, segmenter_.labels(frame)));
      const std::chrono::duration<double, std::milli> spent =
          std::chrono::steady_clock::now() - start;
      RCLCPP_DEBUG(get_logger(), "%zu points, %.1f ms", frame.size(), spent.count());
    } catch (const std::exception& error) {
      RCLCPP_ERROR_THROTTLE(get_logger(), *get_clock(), 5000, "a frame was not labelled: %s",
                            error.what());
    }
  }

  FrameSegmenter segmenter_;
  rclcpp::Publisher<PointCloud2>::SharedPtr publisher_;
  rclcpp::Subscription<PointCloud2>::SharedPtr subscription_;
};

}  // namespace salanet_ros

int main(int count, char** arguments) {
  rclcpp::init(count, arguments);
  int status = 0;
  try {
    rclcpp::spin(std::make_shared<salanet_ros::SegmenterNode>());
  } catch (const std::exception& error) {
    RCLCPP_FATAL(rclcpp::get_logger("salanet"), "%s", error.what());
    status = 2;
  }
  rclcpp::shutdown();
  return status;
}
