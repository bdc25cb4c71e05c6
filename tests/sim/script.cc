// A scenario as text: one line a thing, `word key=value ...`; a request belongs to the client above it.
#include <charconv>
#include <sstream>

#include "scenario.h"

namespace sluice::sim {
namespace {

// Writes the fields that differ from those of a fresh T.
class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}
  void number(std::string_view name, auto value) { put(name, std::to_string(value)); }
  void flag(std::string_view name, bool value) { put(name, value ? "1" : "0"); }
  void choice(std::string_view name, auto value, const auto& names) {
    put(name, std::string(names[static_cast<std::size_t>(value)]));
  }

 private:
  void put(std::string_view name, const std::string& value) { out_ += std::string(name) + '=' + value + ' '; }
  std::string& out_;
};

template <class T>
std::string line_of(std::string_view word, const T& plan) {
  T written = plan, fresh;
  std::string all, defaults, line(word);
  written.each(Writer(all));
  fresh.each(Writer(defaults));
  std::istringstream ours(all), theirs(defaults);
  for (std::string mine, other; ours >> mine && theirs >> other;)
    if (mine != other) line += ' ' + mine;
  return line + '\n';
}

class Reader {
 public:
  explicit Reader(std::string_view line) {
    std::istringstream words{std::string(line)};
    words >> word;
    for (std::string field; words >> field;) {
      const std::size_t mark = field.find('=');
      if (mark == std::string::npos)
        is_good = false;
      else
        fields_.emplace_back(field.substr(0, mark), field.substr(mark + 1));
    }
  }
  void number(std::string_view name, auto& value) {
    if (const std::string* text = take(name)) {
      const auto end = std::from_chars(text->data(), text->data() + text->size(), value);
      is_good &= end.ec == std::errc() && end.ptr == text->data() + text->size();
    }
  }
  void flag(std::string_view name, bool& value) {
    if (const std::string* text = take(name)) value = *text == "1";
  }
  void choice(std::string_view name, auto& value, const auto& names) {
    const std::string* const text = take(name);
    if (text == nullptr) return;
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (names[i] == *text) return void(value = static_cast<std::remove_reference_t<decltype(value)>>(i));
    }
    is_good = false;
  }
  bool is_whole() const { return is_good && taken_ == fields_.size(); }

  std::string word;
  bool is_good = true;

 private:
  const std::string* take(std::string_view name) {
    for (const auto& [key, value] : fields_) {
      if (key == name) return ++taken_, &value;
    }
    return nullptr;
  }
  std::vector<std::pair<std::string, std::string>> fields_;
  std::size_t taken_ = 0;
};

}  // namespace

std::string to_script(const Scenario& scenario) {
  std::string text = line_of("scenario", scenario) + line_of("start", scenario.first);
  for (const EndpointPlan& endpoint : scenario.endpoints) text += line_of("endpoint", endpoint);
  for (const Change& change : scenario.changes) text += line_of("change", change);
  for (const ClientPlan& client : scenario.clients) {
    text += line_of("client", client);
    for (const RequestPlan& request : client.requests) text += line_of("  request", request);
  }
  return text;
}

std::optional<Scenario> from_script(std::string_view text, std::string& fault) {
  Scenario scenario;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    Reader reader(line);
    if (reader.word.empty() || reader.word[0] == '#') continue;
    if (reader.word == "scenario")
      scenario.each(reader);
    else if (reader.word == "start")
      scenario.first.each(reader);
    else if (reader.word == "endpoint")
      scenario.endpoints.emplace_back().each(reader);
    else if (reader.word == "change")
      scenario.changes.emplace_back().each(reader);
    else if (reader.word == "client")
      scenario.clients.emplace_back().each(reader);
    else if (reader.word == "request" && !scenario.clients.empty())
      scenario.clients.back().requests.emplace_back().each(reader);
    else
      reader.is_good = false;
    if (!reader.is_whole()) {
      fault = line;
      return std::nullopt;
    }
  }
  return scenario;
}

}  // namespace sluice::sim
