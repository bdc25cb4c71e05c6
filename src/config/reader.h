#pragma once
// Turning nodes into values: the context of one reading, and the readers of the plain types.
// Not the field tables (field.h) and not the choice of reader by type (value.h).
//
// Every read_x returns whether `out` is good; when not, it has said why and left `out` alone. Reading goes on after
// a failure, so that one pass finds all mistakes.

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/document.h"
#include "config/secret.h"
#include "config/units.h"

namespace sluice::config {

struct FieldInfo;
struct StructInfo;

// The values a field admits, ends included. Durations count nanoseconds, sizes bytes, rates their count.
struct Range {
  std::int64_t low;
  std::int64_t high;
};
struct RealRange {
  double low;
  double high;
};

class ReadContext {
 public:
  explicit ReadContext(Diagnostics& diagnostics) : diagnostics_(diagnostics) {}
  ReadContext(const ReadContext&) = delete;
  ReadContext& operator=(const ReadContext&) = delete;

  Diagnostics& diagnostics() { return diagnostics_; }

  // One message at a node, with the path of what is being read.
  Diagnostic& error(const Node& at, std::string_view code, std::string what);
  Diagnostic& warning(const Node& at, std::string_view code, std::string what);

  // "found a list", "want text, the name of the route". `wanted` without "want"; the field's meaning is added.
  Diagnostic& wrong_type(const Node& at, std::string_view wanted);
  // A scalar of the right type with a wrong value. `what` follows the value: "is out of range".
  Diagnostic& wrong_value(const Node& at, std::string_view code, std::string_view what, std::string_view wanted);
  // "is empty".
  void empty_value(const Node& at, std::string_view wanted);
  // A key nobody knows: near names are suggested, else all are listed.
  void unknown_key(const Node& key, std::span<const std::string_view> known);

  // "routes[2].match.path"
  std::string path() const;

  // Extends the path for as long as it lives: `const auto step = context.step("match");`
  class [[nodiscard]] Step {
   public:
    Step(const Step&) = delete;
    Step& operator=(const Step&) = delete;
    ~Step() { context_.steps_.pop_back(); }

   private:
    friend class ReadContext;
    explicit Step(ReadContext& context) : context_(context) {}
    ReadContext& context_;
  };
  Step step(std::string_view key);  // `key` must outlive the step
  Step step(std::size_t index);

  // The field whose value is read now, or the values in it; nullptr at the root.
  const FieldInfo* field() const { return scope_.field; }
  struct FieldScope {
    const FieldInfo* field = nullptr;
    std::size_t depth = 0;  // of the path, where the field's value begins
  };
  FieldScope field_scope() const { return scope_; }
  void set_field_scope(FieldScope scope) { scope_ = scope; }
  void enter_field(const FieldInfo* field) { scope_ = {field, steps_.size()}; }

 private:
  struct Segment {
    std::string_view key;
    std::size_t index;
    bool is_index;
  };
  // The field, unless what is read has a key of its own inside it: then its meaning says nothing of that.
  const FieldInfo* field_meant() const;
  void finish(Diagnostic& added, std::string_view wanted) const;

  Diagnostics& diagnostics_;
  std::vector<Segment> steps_;
  FieldScope scope_;
};

bool read_text(const Node& node, std::string& out, ReadContext& context);
bool read_bool(const Node& node, bool& out, ReadContext& context);
bool read_integer(const Node& node, std::int64_t& out, Range type_range, ReadContext& context);
bool read_real(const Node& node, double& out, ReadContext& context);
// `step` is the target type's resolution, 1 ns or more: 1500us does not fit in milliseconds.
bool read_duration(const Node& node, std::chrono::nanoseconds& out, std::chrono::nanoseconds step,
                   ReadContext& context);
bool read_size(const Node& node, Size& out, ReadContext& context);
bool read_rate(const Node& node, Rate& out, ReadContext& context);
bool read_secret(const Node& node, Secret& out, ReadContext& context);
// `out` is the index in `names`.
bool read_choice(const Node& node, std::size_t& out, std::span<const std::string_view> names, ReadContext& context);

// A map by a field table: unknown keys, missing keys, each field, then the cross-field check.
bool read_struct(const Node& node, void* object, const StructInfo& info, ReadContext& context);

// Whether `node` is a list, or a single value where the field says one_or_many; else says so.
bool check_list(const Node& node, ReadContext& context);
// Whether `node` is a map; else says so.
bool check_is_map(const Node& node, ReadContext& context);
// The same, and that it is not empty where the field says non_empty.
bool check_map(const Node& node, ReadContext& context);

}  // namespace sluice::config
