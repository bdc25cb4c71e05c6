#include "policy/entry.h"

#include <algorithm>

#include "config/suggest.h"

namespace sluice::policy {

std::string_view stage_name(Stage stage) {
  for (const auto& [value, name] : enum_names(Stage{}))
    if (value == stage) return name;
  return "";
}

const Kind* find_kind(std::string_view name) {
  for (const Kind* kind : kinds())
    if (kind->name == name) return kind;
  return nullptr;
}

namespace {

std::vector<std::string_view> kind_names() {
  std::vector<std::string_view> names;
  for (const Kind* kind : kinds()) names.push_back(kind->name);
  std::ranges::sort(names);
  return names;
}

bool read_stage(const config::Node& node, Entry& out, config::ReadContext& context) {
  const auto step = context.step("stage");
  if (node.is_scalar() && node.text() == "any") {
    out.any_stage = true;
    return true;
  }
  if (!node.is_scalar()) return context.wrong_type(node, "any"), false;
  context.wrong_value(node, "unknown_choice", "is not a choice here", "any").help =
      "`stage: any` lets the entry stand anywhere in its chain; the stage of a kind is its own";
  return false;
}

bool read_kind(const config::Entry& entry, Entry& out, config::ReadContext& context) {
  out.kind = find_kind(entry.key.text());
  if (out.kind == nullptr) {
    const auto names = kind_names();
    context.error(entry.key, "unknown_policy", "there is no kind of policy '" + std::string(entry.key.text()) + "'")
        .want = config::suggestion(entry.key.text(), names, "kinds");
    return false;
  }
  const auto step = context.step(entry.key.text());
  const bool is_bare = entry.value.kind() == config::Kind::null;  // `- request_id:` means all defaults
  out.config = out.kind->read(is_bare ? config::Node::map({}, entry.key.place()) : entry.value, context);
  return out.config != nullptr;
}

}  // namespace

bool Entry::read(const config::Node& node, Entry& out, config::ReadContext& context) {
  out.place = node.place();
  if (node.is_scalar() && node.kind() != config::Kind::null) {
    out.set = node.text();
    return true;
  }
  if (!node.is_map()) {
    context.wrong_type(node, "the name of a set, or a policy as one key with its fields");
    return false;
  }
  bool is_good = true;
  for (const config::Entry& entry : node.entries()) {
    if (entry.key.text() == "stage") {
      is_good &= read_stage(entry.value, out, context);
    } else if (out.kind != nullptr) {
      context.error(entry.key, "two_policies", "an entry is one policy, and this is the second key").help =
          "write each policy as an entry of its own: `- " + std::string(entry.key.text()) + ": ...`";
      is_good = false;
    } else {
      is_good &= read_kind(entry, out, context);
    }
  }
  if (is_good && out.kind == nullptr) {
    context.error(node, "missing_policy", "the entry names no policy").help =
        "write a kind with its fields, such as `request_id: {}`";
    return false;
  }
  return is_good;
}

void Entry::schema(config::SchemaWriter& schema) {
  schema.any_of({[&] {
                   schema.text();
                   schema.description("Name of a set under `policies`.");
                 },
                 [&] {
                   schema.object(false, [&] {
                     for (const Kind* kind : kinds())
                       schema.property(kind->name, kind->summary, [&] { schema.structure(kind->fields()); });
                     schema.property("stage", "`any`: this entry may stand anywhere in the chain.",
                                     [&] { schema.choice(std::array<std::string_view, 1>{"any"}); });
                   });
                 }});
}

}  // namespace sluice::policy
