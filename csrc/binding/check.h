// Errors: `<op>: <argument> must <rule>; got <value>`.
//
// The class of a C++ exception that crosses torch differs between its versions, so the message
// carries the Python class in front and python/halfword/ops/_library.py raises it.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace halfword::binding {

class Checker {
 public:
  explicit Checker(const char* op) : op_(op) {}

  template <class... Parts>
  [[noreturn]] void type_error(const Parts&... parts) const {
    fail("TypeError", parts...);
  }
  template <class... Parts>
  [[noreturn]] void value_error(const Parts&... parts) const {
    fail("ValueError", parts...);
  }
  // What the device itself refuses.
  template <class... Parts>
  [[noreturn]] void runtime_error(const Parts&... parts) const {
    fail("RuntimeError", parts...);
  }

 private:
  template <class... Parts>
  [[noreturn]] void fail(const char* kind, const Parts&... parts) const {
    std::ostringstream message;
    message << kind << ": " << op_ << ": ";
    (message << ... << parts);
    throw std::runtime_error(message.str());
  }

  const char* op_;
};

}  // namespace halfword::binding
