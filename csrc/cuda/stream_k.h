// Tiles of equal work, divided evenly among any number of blocks (stream-K). So the time of a grid
// grows with its work, and not by a wave of blocks at a time. Plain C++, for the host and kernels.
//
//   tiles   0 1 2 3 4 5 6 7 | 8     | 9     | 10    |      whole = 8: a block does one of these
//   blocks  0 1 2 3 4 5 6 7 | 8   | 9   | 10  | 11  |      sharers = 4: 3/4 of a tile each
//
// The work of a tile is so many units, which any block may do: a block that takes part in a tile
// has units of it that follow each other, and where a tile is shared somebody adds their results.
// Blocks need not run at the same time: the one that comes last to a tile can do that, as long as
// the others wait for nobody (last_block.cuh).
#pragma once

#include <cstdint>

#include "core/host_device.h"

namespace halfword {

// What a block does of one tile: units [begin, end), at least one.
struct StreamKPart {
  int64_t tile;
  int64_t begin;
  int64_t end;
};

struct StreamK {
  int64_t tiles = 0;
  int64_t units = 1;    // of a tile
  int64_t whole = 0;    // tiles that a block does alone, the first ones; the rest is shared
  int64_t sharers = 0;  // among so many blocks, no more than the rest has units

  HALFWORD_INLINE constexpr int64_t blocks() const { return whole + sharers; }
  HALFWORD_INLINE constexpr int64_t shared_tiles() const { return tiles - whole; }

  // Units of all tiles, one tile after the other: a block has those from its first one to that of
  // the next block.
  HALFWORD_INLINE constexpr int64_t first_unit(int64_t block) const {
    if (block <= whole) return block * units;
    return whole * units + shared_tiles() * units * (block - whole) / sharers;
  }

  // The part of a block that begins at a unit of its own.
  HALFWORD_INLINE constexpr StreamKPart part(int64_t block, int64_t unit) const {
    const int64_t tile = block < whole ? block : unit / units;
    const int64_t tile_end = (tile + 1) * units, next = first_unit(block + 1);
    return {tile, unit - tile * units, (next < tile_end ? next : tile_end) - tile * units};
  }

  // The blocks with a part of a tile follow each other.
  HALFWORD_INLINE constexpr int64_t first_block(int64_t tile) const {
    return block_of(tile * units);
  }
  HALFWORD_INLINE constexpr int64_t last_block(int64_t tile) const {
    return block_of((tile + 1) * units - 1);
  }

  // A place of its own for each part of the shared tiles, the parts of a tile in a row: from one
  // part to the next the tile grows, or the block, or both.
  HALFWORD_INLINE constexpr int64_t place(int64_t tile, int64_t block) const {
    return (tile - whole) + (block - whole);
  }
  HALFWORD_INLINE constexpr int64_t places() const {
    return sharers == 0 ? 0 : shared_tiles() + sharers - 1;
  }

 private:
  // The last block whose first unit is not past this one.
  HALFWORD_INLINE constexpr int64_t block_of(int64_t unit) const {
    if (unit < whole * units) return unit / units;
    const int64_t later = unit - whole * units + 1;
    return whole + (later * sharers - 1) / (shared_tiles() * units);
  }
};

}  // namespace halfword
