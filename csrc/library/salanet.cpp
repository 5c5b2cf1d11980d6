// The C interface: arguments checked, exceptions turned into status and text.
#include "salanet.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>

#include "common/parallel.h"
#include "library/cells.h"
#include "library/tiles.h"

struct salanet_model {
  salanet::Model model;
};

namespace salanet {
namespace {

constexpr size_t kMostPoints = 0x7fffffff - 1;  // indices are int32
constexpr int64_t kTilePoints = 250000;
constexpr float kHaloRadii = 24;
constexpr int64_t kGrain = 4096;
constexpr int kMostThreads = 1024;

struct ArgumentError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

void tell(salanet_error* error, const char* text) {
  if (error == nullptr) return;
  size_t length = std::min(std::strlen(text), sizeof error->text - 1);
  while (length > 0 && (text[length] & 0xc0) == 0x80) --length;  // no half of a character
  for (size_t i = 0; i < length; ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    error->text[i] = c < 0x20 || c == 0x7f ? ' ' : text[i];
  }
  error->text[length] = '\0';
}

// Runs the body; `bad` is the status of a DataError.
template <typename Body>
salanet_status guarded(salanet_error* error, salanet_status bad, Body&& body) noexcept {
  tell(error, "");
  try {
    body();
    return SALANET_OK;
  } catch (const ArgumentError& e) {
    tell(error, e.what());
    return SALANET_BAD_ARGUMENT;
  } catch (const DataError& e) {
    tell(error, e.what());
    return bad;
  } catch (const std::bad_alloc&) {
    tell(error, "there is too little memory");
    return SALANET_NO_MEMORY;
  } catch (const std::length_error&) {
    tell(error, "there is too little memory");
    return SALANET_NO_MEMORY;
  } catch (const std::exception& e) {
    tell(error, e.what());
  } catch (...) {
    tell(error, "unknown error");
  }
  return SALANET_FAILED;
}

void require(bool holds, const char* what) {
  if (!holds) throw ArgumentError(what);
}

salanet_options read_options(const salanet_options* given) {
  salanet_options options{};
  if (given == nullptr) return options;
  const size_t size = given->size == 0 ? sizeof options : given->size;
  require(size >= sizeof options, "options.size is too small");
  options = *given;
  require(options.threads >= 0 && options.threads <= kMostThreads, "options.threads is out of range");
  require(options.precision == SALANET_FLOAT32 || options.precision == SALANET_BF16,
          "options.precision is neither SALANET_FLOAT32 nor SALANET_BF16");
  require(options.intensity_scale >= 0 && std::isfinite(options.intensity_scale),
          "options.intensity_scale is out of range");
  return options;
}

std::vector<float> tiled_logits(const Model& model, const Cells& cells, int64_t limit,
                                const RunOptions& options) {
  const int64_t d = model.network.in_channels, classes = model.network.classes;
  std::vector<float> logits(static_cast<size_t>(cells.count() * classes));
  if (cells.count() <= limit) {
    Pyramid pyramid =
        Pyramid::build(cells.points.data(), cells.count(), model.config.pyramid, options.threads);
    run(model.network, cells.features.data(), pyramid, logits.data(), options);
    return logits;
  }
  const auto halo = kHaloRadii * static_cast<float>(model.config.radius(0));
  each_tile(cells.points.data(), cells.count(), limit, halo, [&](const Tile& tile) {
    const auto count = static_cast<int64_t>(tile.rows.size());
    std::vector<float> points, features;
    points.reserve(static_cast<size_t>(3 * count));
    features.reserve(static_cast<size_t>(d * count));
    for (const int32_t row : tile.rows) {
      const float* place = cells.points.data() + 3 * int64_t{row};
      const float* seen = cells.features.data() + d * int64_t{row};
      points.insert(points.end(), place, place + 3);
      features.insert(features.end(), seen, seen + d);
    }
    std::vector<float> found(static_cast<size_t>(count * classes));
    Pyramid pyramid = Pyramid::build(points.data(), count, model.config.pyramid, options.threads);
    run(model.network, features.data(), pyramid, found.data(), options);
    for (int64_t i = 0; i < count; ++i)
      if (tile.core[static_cast<size_t>(i)])
        std::copy_n(found.data() + i * classes, classes,
                    logits.data() + int64_t{tile.rows[static_cast<size_t>(i)]} * classes);
  });
  return logits;
}

// Softmax of logits / T, in place.
void to_probabilities(float* logits, int64_t classes, double temperature) {
  const float scale = static_cast<float>(temperature);
  const float highest = *std::max_element(logits, logits + classes);
  float total = 0;
  for (int64_t c = 0; c < classes; ++c) total += logits[c] = std::exp((logits[c] - highest) / scale);
  for (int64_t c = 0; c < classes; ++c) logits[c] /= total;
}

void segment(const Model& model, const CloudView& cloud, const salanet_options& options,
             int32_t* labels, float* probabilities) {
  const int threads =
      options.threads > 0
          ? options.threads
          : static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1u, 256u));
  const Cells cells = make_cells(model, cloud, options.intensity_scale, threads);
  const auto limit = options.tile_points == 0
                         ? kTilePoints
                         : static_cast<int64_t>(std::min(options.tile_points, kMostPoints));
  const auto precision = static_cast<Precision>(options.precision);
  std::vector<float> logits = tiled_logits(model, cells, limit, {threads, precision, true});
  if (!std::all_of(logits.begin(), logits.end(), [](float x) { return std::isfinite(x); }))
    throw DataError(
        "the model's scores are not finite numbers: its weights are damaged, or its training diverged");
  const int64_t classes = model.network.classes;
  std::vector<int32_t> best(static_cast<size_t>(cells.count()));
  parallel_for(cells.count(), kGrain, threads, [&](int64_t begin, int64_t end, int64_t) {
    for (int64_t i = begin; i < end; ++i) {
      float* row = logits.data() + i * classes;
      best[static_cast<size_t>(i)] =
          static_cast<int32_t>(std::max_element(row, row + classes) - row);
      if (probabilities != nullptr) to_probabilities(row, classes, model.card.temperature);
    }
  });
  parallel_for(cloud.count, kGrain, threads, [&](int64_t begin, int64_t end, int64_t) {
    for (int64_t i = begin; i < end; ++i) {
      const int32_t cell = cells.of_point[static_cast<size_t>(i)];
      labels[i] = cell < 0 ? -1 : best[static_cast<size_t>(cell)];
      if (probabilities == nullptr) continue;
      float* row = probabilities + i * classes;
      if (cell < 0)
        std::fill_n(row, classes, 1.0f / static_cast<float>(classes));
      else
        std::copy_n(logits.data() + int64_t{cell} * classes, classes, row);
    }
  });
}

template <typename Read>
salanet_status open(salanet_model** model, salanet_error* error, Read&& read) noexcept {
  if (model != nullptr) *model = nullptr;
  return guarded(error, SALANET_BAD_FILE, [&] {
    require(model != nullptr, "model is null");
    auto opened = std::make_unique<salanet_model>(salanet_model{read()});
    require_features(opened->model);
    *model = opened.release();
  });
}

}  // namespace
}  // namespace salanet

extern "C" {

const char* salanet_version(void) noexcept { return SALANET_VERSION; }

salanet_status salanet_open(const char* path, salanet_model** model,
                            salanet_error* error) noexcept {
  return salanet::open(model, error, [&] {
    salanet::require(path != nullptr, "path is null");
    try {
      return salanet::Model::open(path);
    } catch (const salanet::DataError& e) {
      throw salanet::DataError(std::string(path) + ": " + e.what());
    }
  });
}

salanet_status salanet_open_memory(const void* data, size_t size, salanet_model** model,
                                   salanet_error* error) noexcept {
  return salanet::open(model, error, [&] {
    salanet::require(data != nullptr, "data is null");
    return salanet::Model::of(
        salanet::TensorFile(std::string(static_cast<const char*>(data), size)));
  });
}

void salanet_close(salanet_model* model) noexcept { delete model; }

size_t salanet_class_count(const salanet_model* model) noexcept {
  return model == nullptr ? 0 : model->model.config.classes.size();
}

const char* salanet_class_name(const salanet_model* model, size_t number) noexcept {
  return number < salanet_class_count(model) ? model->model.config.classes[number].c_str() : nullptr;
}

int32_t salanet_class_code(const salanet_model* model, size_t number) noexcept {
  if (number >= salanet_class_count(model)) return -1;
  const auto& codes = model->model.card.codes;
  return static_cast<int32_t>(codes.size() == salanet_class_count(model) ? codes[number]
                                                                         : static_cast<int64_t>(number));
}

double salanet_cell_size(const salanet_model* model) noexcept {
  return model == nullptr ? 0 : model->model.config.grid();
}

salanet_status salanet_segment(const salanet_model* model, const double* points,
                               const uint8_t* rgb, const float* intensity, size_t n,
                               const salanet_options* options, int32_t* labels,
                               float* probabilities, salanet_error* error) noexcept {
  return salanet::guarded(error, SALANET_BAD_DATA, [&] {
    salanet::require(model != nullptr && points != nullptr && labels != nullptr,
                     "model, points or labels are null");
    salanet::require(n > 0 && n <= salanet::kMostPoints, "n must be from 1 to 2^31 - 2");
    const salanet_options asked = salanet::read_options(options);
    const salanet::CloudView cloud{points, rgb, intensity, static_cast<int64_t>(n)};
    salanet::segment(model->model, cloud, asked, labels, probabilities);
  });
}

}  // extern "C"
