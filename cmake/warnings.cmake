# Flags of every translation unit. IEEE arithmetic in the written order, so that every instruction
# set gives the same bits; memory of one element type read as words of another, which tensors are;
# and no path of the build machine in the binary.
add_library(halfword_warnings INTERFACE)
target_compile_options(halfword_warnings INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wno-psabi
  -ffp-contract=off -fno-math-errno -fno-strict-aliasing
  -ffile-prefix-map=${CMAKE_SOURCE_DIR}=.)
if(HALFWORD_SANITIZE)
  # ASan's checks as calls: in line, they make the kernels three times as long to compile.
  target_compile_options(halfword_warnings INTERFACE
    -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -g1
    --param=asan-instrumentation-with-call-threshold=0)
  target_link_options(halfword_warnings INTERFACE -fsanitize=address,undefined)
endif()
