// The position of a cell along a Hilbert curve, whose neighbours in order are neighbours in space.
//
// Level by level, after C. Hamilton, "Compact Hilbert Indices" (2006): inside each octant the curve
// enters at one corner, `entry`, and leaves along one axis, `direction`; octants are visited in the
// order of a Gray code turned to that corner and axis. The 24 states are tabulated.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

namespace salanet {

// Bit i of a 21-bit number moves to bit 3 i.
constexpr uint64_t spread_bits(uint64_t bits) {
  bits = (bits | bits << 32) & 0x1f00000000ffffULL;
  bits = (bits | bits << 16) & 0x1f0000ff0000ffULL;
  bits = (bits | bits << 8) & 0x100f00f00f00f00fULL;
  bits = (bits | bits << 4) & 0x10c30c30c30c30c3ULL;
  return (bits | bits << 2) & 0x1249249249249249ULL;
}

// [state][octant] -> next state << 3 | place of the octant along the curve
inline constexpr std::array<std::array<uint8_t, 8>, 24> kHilbertStep = [] {
  constexpr auto gray = [](uint32_t i) { return i ^ i >> 1; };
  constexpr auto turn = [](uint32_t bits, uint32_t by) {
    return (bits << by | bits >> (3 - by)) & 7;
  };
  std::array<std::array<uint8_t, 8>, 24> table{};
  for (uint32_t entry = 0; entry < 8; ++entry) {
    for (uint32_t direction = 0; direction < 3; ++direction) {
      const uint32_t axis = (direction + 1) % 3;
      for (uint32_t place = 0; place < 8; ++place) {
        const uint32_t octant = turn(gray(place), axis) ^ entry;
        const uint32_t enters = place == 0 ? 0 : gray((place - 1) & ~1u);
        const uint32_t leaves = place == 0       ? 0
                                : place % 2 == 0 ? std::countr_one(place - 1) % 3
                                                 : std::countr_one(place) % 3;
        const uint32_t next_entry = entry ^ turn(enters, axis);
        const uint32_t next_direction = (direction + leaves + 1) % 3;
        table[entry * 3 + direction][octant] =
            static_cast<uint8_t>((next_entry * 3 + next_direction) << 3 | place);
      }
    }
  }
  return table;
}();

// The same for two levels at once: [state << 6 | two octants] -> next state << 6 | two places
inline constexpr std::array<uint16_t, 24 * 64> kHilbertSteps = [] {
  std::array<uint16_t, 24 * 64> table{};
  for (uint32_t i = 0; i < table.size(); ++i) {
    const uint32_t first = kHilbertStep[i >> 6][i >> 3 & 7];
    const uint32_t second = kHilbertStep[first >> 3][i & 7];
    table[i] = static_cast<uint16_t>((second >> 3) << 6 | (first & 7) << 3 | (second & 7));
  }
  return table;
}();

// Coordinates of `bits` bits each: an even number, at most 20.
inline uint64_t hilbert_key(uint64_t x, uint64_t y, uint64_t z, int bits) {
  const uint64_t octants = spread_bits(x) | spread_bits(y) << 1 | spread_bits(z) << 2;
  uint64_t key = 0;
  uint32_t state = 0;
  for (int shift = 3 * bits - 6; shift >= 0; shift -= 6) {
    const uint32_t step = kHilbertSteps[state | (octants >> shift & 63)];
    key = key << 6 | (step & 63);
    state = step & ~63u;
  }
  return key;
}

}  // namespace salanet
