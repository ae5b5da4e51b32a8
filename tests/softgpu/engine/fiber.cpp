#include "engine/fiber.h"

#include <sys/mman.h>

#include <cstddef>
#include <cstring>
#include <new>
#include <vector>

// Saves the callee-saved registers of the C calling convention, nothing else: floating-point
// control words are the same in all fibers.
#if defined(__x86_64__)
asm(R"(
.text
.type softgpu_switch_stack,@function
softgpu_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size softgpu_switch_stack,.-softgpu_switch_stack
)");
#elif defined(__aarch64__)
asm(R"(
.text
.type softgpu_switch_stack,%function
softgpu_switch_stack:
  sub sp, sp, #160
  stp x19, x20, [sp, #0]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x2, sp
  str x2, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #0]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
.size softgpu_switch_stack,.-softgpu_switch_stack
)");
#else
#error "softgpu: no stack switch for this processor"
#endif

extern "C" void softgpu_switch_stack(void** from, void* to);

namespace softgpu {
namespace {

constexpr uint64_t kGuardBytes = 4096;  // at least a page of any system we run on
// Only the pages that a fiber touches take memory.
constexpr uint64_t kStackBytes = 256 * 1024;

#if defined(__x86_64__)
constexpr size_t kSavedWords = 6;
constexpr size_t kReturnWord = 6;
#else
constexpr size_t kSavedWords = 20;
constexpr size_t kReturnWord = 11;  // x30
#endif

struct Pool {
  std::vector<Stack> free;
  ~Pool() {
    for (const Stack& stack : free) munmap(stack.memory - kGuardBytes, stack.bytes + kGuardBytes);
  }
};
Pool pool;
uint64_t stacks_made = 0;

}  // namespace

Stack take_stack() {
  if (!pool.free.empty()) {
    const Stack stack = pool.free.back();
    pool.free.pop_back();
    return stack;
  }
  void* memory = mmap(nullptr, kStackBytes + kGuardBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  mprotect(memory, kGuardBytes, PROT_NONE);
  // Tops at different offsets in their pages, lest all of them share a few cache sets.
  const uint64_t color = stacks_made++ % 32 * 128;
  return {static_cast<char*>(memory) + kGuardBytes, kStackBytes - color};
}

void give_stack_back(Stack stack) { pool.free.push_back(stack); }

void* prepare_stack(Stack stack, void (*entry)()) {
  // At a function's entry the stack pointer is 16-aligned before the return address is pushed.
  auto** top = reinterpret_cast<void**>(stack.memory + stack.bytes / 16 * 16);
  void** words = top - kSavedWords - 2;
  std::memset(words, 0, (kSavedWords + 2) * sizeof *words);
  words[kReturnWord] = reinterpret_cast<void*>(entry);
  return words;
}

void switch_stack(void** from, void* to) { softgpu_switch_stack(from, to); }

}  // namespace softgpu
