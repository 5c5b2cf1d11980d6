#include "geometry/search.h"

#include <algorithm>
#include <bit>

#include "common/isa.h"
#include "common/parallel.h"
#include "geometry/uninitialised.h"

namespace salanet {
namespace {

constexpr int64_t kGrain = 32;  // query blocks handed out at a time

// body(query cloud, support cloud, begin, end) over runs of query blocks of one cloud.
template <typename Body>
void for_query_blocks(const PointIndex& queries, const PointIndex& supports, int threads,
                      Body&& body) {
  const auto total = static_cast<int64_t>(queries.blocks.size());
  parallel_for(total, kGrain, threads, [&](int64_t begin, int64_t end, int64_t) {
    auto cloud = std::upper_bound(
        queries.clouds.begin(), queries.clouds.end(), begin,
        [](int64_t block, const Cloud& c) { return block < c.end_block; });
    for (; begin < end; ++cloud) {
      const int64_t stop = std::min(end, cloud->end_block);
      const auto number = static_cast<size_t>(cloud - queries.clouds.begin());
      if (begin < stop) body(*cloud, supports.clouds[number], begin, stop);
      begin = stop;
    }
  });
}

const Isa isa = detect_isa();

}  // namespace

uint64_t pack_hit(float distance, int32_t row) {
  return uint64_t{std::bit_cast<uint32_t>(distance)} << 32 | static_cast<uint32_t>(row);
}

void lowest_hits(uint64_t* hits, int64_t count, int64_t k) {
  if (k < count) {
    std::nth_element(hits, hits + k, hits + count);
    count = k;
  }
  std::sort(hits, hits + count);
}

void radius_search(const PointIndex& queries, const PointIndex& supports, float radius, int64_t k,
                   int32_t* out, int threads) {
  advise_huge_pages(out, static_cast<size_t>(queries.count * k) * sizeof(int32_t));
  const RadiusTask task{&queries, &supports, radius, k, out};
  for_query_blocks(queries, supports, threads,
                   [&](const Cloud& asked, const Cloud& offered, int64_t begin, int64_t end) {
                     SALANET_DISPATCH(isa, radius_blocks(task, asked, offered, begin, end));
                   });
}

void nearest(const PointIndex& queries, const PointIndex& supports, int32_t* out, int threads) {
  const NearestTask task{&queries, &supports, out};
  for_query_blocks(queries, supports, threads,
                   [&](const Cloud& asked, const Cloud& offered, int64_t begin, int64_t end) {
                     SALANET_DISPATCH(isa, nearest_blocks(task, asked, offered, begin, end));
                   });
}

}  // namespace salanet
