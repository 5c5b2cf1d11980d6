// Labels frame after frame with one open model: the core of `frames` and of the ROS 2 node.
#pragma once

#include <salanet.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

// A frame: coordinates (n, 3) in metres, z up; colours (n, 3) and intensities (n,), or none.
struct Frame {
  std::vector<double> points;
  std::vector<std::uint8_t> rgb;
  std::vector<float> intensity;

  std::size_t size() const { return points.size() / 3; }
};

class FrameSegmenter {
 public:
  // std::runtime_error: the file is no model that the library runs; says why.
  FrameSegmenter(const std::string& path, int threads) {
    options_.threads = threads;
    salanet_error error;
    salanet_model* opened = nullptr;
    if (salanet_open(path.c_str(), &opened, &error) != SALANET_OK)
      throw std::runtime_error(error.text);
    model_.reset(opened);
  }

  // The class of each point; -1 of those without finite coordinates. May be called by several
  // threads at once. std::runtime_error: the frame lacks what the model needs.
  std::vector<std::int32_t> labels(const Frame& frame) const {
    std::vector<std::int32_t> found(frame.size());
    if (found.empty()) return found;
    salanet_error error;
    if (salanet_segment(model_.get(), frame.points.data(),
                        frame.rgb.empty() ? nullptr : frame.rgb.data(),
                        frame.intensity.empty() ? nullptr : frame.intensity.data(), found.size(),
                        &options_, found.data(), nullptr, &error) != SALANET_OK)
      throw std::runtime_error(error.text);
    return found;
  }

  std::size_t classes() const { return salanet_class_count(model_.get()); }
  std::string name(std::size_t number) const { return salanet_class_name(model_.get(), number); }

 private:
  struct Close {
    void operator()(salanet_model* model) const { salanet_close(model); }
  };

  std::unique_ptr<salanet_model, Close> model_;
  salanet_options options_{};
};
