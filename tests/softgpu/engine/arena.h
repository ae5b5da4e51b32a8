// Shared memory: one arena a block, with red zones around each object and garbage inside.
#pragma once

#include <cstdint>
#include <string>

#include "engine/thread.h"

namespace softgpu {

// Gives the block an arena and lays out its kernel's variables and the dynamic part. Throws
// std::runtime_error if they are more than a block may have.
void lay_out_shared(Block& block);
void give_arena_back(Block& block);

// Whether host memory is in some arena; the block it is of, or null.
bool is_in_arenas(const void* memory);
Block* block_of_arena(const void* memory);

bool is_in_shared_object(const Block& block, uint32_t offset, uint32_t bytes);
// "12 bytes past the end of shared variable 'tile' (512 bytes)"
std::string place_in_shared(const Block& block, uint32_t offset);

}  // namespace softgpu
