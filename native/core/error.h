// Errors as data, so that they cross the border to JavaScript with their code and text.
#pragma once

#include <exception>
#include <map>
#include <string>
#include <utility>

namespace millrace {

// A code of pipelines/contracts/errors.ts and the parts of its text.
class Error : public std::exception {
 public:
  Error(std::string code, std::string path, std::string expected, std::string received, std::string hint = "")
      : code_(std::move(code)),
        path_(std::move(path)),
        expected_(std::move(expected)),
        received_(std::move(received)),
        hint_(std::move(hint)),
        text_(path_ + ": expected " + expected_ + "; received " + received_ + ".") {}

  const char* what() const noexcept override { return text_.c_str(); }
  const std::string& code() const { return code_; }
  const std::string& path() const { return path_; }
  const std::string& expected() const { return expected_; }
  const std::string& received() const { return received_; }
  const std::string& hint() const { return hint_; }
  const std::map<std::string, double>& details() const { return details_; }

  Error&& With(const std::string& key, double value) && {
    details_[key] = value;
    return std::move(*this);
  }

 private:
  std::string code_, path_, expected_, received_, hint_, text_;
  std::map<std::string, double> details_;
};

// A broken invariant between TypeScript and C++: a defect of ours, never of the user's.
[[noreturn]] inline void ThrowInternal(const std::string& where, const std::string& expected,
                                       const std::string& received) {
  throw Error("INTERNAL", where, expected, received);
}

}  // namespace millrace
