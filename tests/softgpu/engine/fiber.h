// Stacks, and the switch from one to another.
#pragma once

#include <cstdint>

namespace softgpu {

struct Stack {
  char* memory = nullptr;
  uint64_t bytes = 0;
};

// Stacks have a guard page below and are reused, the last one given back first.
Stack take_stack();
void give_stack_back(Stack stack);

// The stack pointer of a fiber that will begin in `entry`, which must not return.
void* prepare_stack(Stack stack, void (*entry)());

// Saves the running fiber's stack pointer in *from and goes on where `to` was saved.
void switch_stack(void** from, void* to);

}  // namespace softgpu
