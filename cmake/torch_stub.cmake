# An empty libtorch.so to link against. It gives our library DT_NEEDED libtorch.so, which is how the
# symbols of torch's C ABI are found at run time, and lets the build do without torch.
file(WRITE ${CMAKE_BINARY_DIR}/torch_stub.c "")
add_library(halfword_torch_stub_library SHARED ${CMAKE_BINARY_DIR}/torch_stub.c)
set_target_properties(halfword_torch_stub_library PROPERTIES
  OUTPUT_NAME torch LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/torch_stub)

add_library(halfword_torch_stub INTERFACE)
target_link_options(halfword_torch_stub INTERFACE -Wl,--no-as-needed -Wl,--allow-shlib-undefined)
target_link_libraries(halfword_torch_stub INTERFACE halfword_torch_stub_library)
