#include "service.h"

#include "chat.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <thread>

namespace demo {
namespace {

void append_json(std::string& out, std::string_view text) {
  static constexpr char hex[] = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (byte < 0x20 || byte >= 0x7f) {  // bytes beyond ASCII are shown as Latin-1
      out += {'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]};
    } else {
      out += c;
    }
  }
  out += '"';
}

void append_member(std::string& out, std::string_view name, std::string_view value) {
  out += "  ";
  append_json(out, name);
  out += ": ";
  append_json(out, value);
  out += ",\n";
}

bool is_text(std::string_view body) {
  return std::ranges::none_of(
      body, [](char c) { return static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\r' && c != '\t'; });
}

std::string echo(const Request& request, const std::string& name) {
  std::string out = "{\n";
  append_member(out, "service", name.substr(0, name.find('-')));
  append_member(out, "instance", name);
  append_member(out, "method", request.method);
  append_member(out, "path", request.path);
  append_member(out, "query", request.query);
  out += "  \"headers\": [";
  const char* separator = "\n    [";
  for (const auto& [key, value] : request.headers) {
    out += separator;
    append_json(out, key);
    out += ", ";
    append_json(out, value);
    out += ']';
    separator = ",\n    [";
  }
  out += "\n  ],\n";
  if (request.body_bytes > 0 && request.body_bytes <= kept_body_bytes && is_text(request.body)) {
    append_member(out, "body", request.body);
  }
  return out + "  \"body_bytes\": " + std::to_string(request.body_bytes) + "\n}\n";
}

// What the request orders under `name`: by query parameter, or by the header x-demo-<name>.
std::string_view order(const Request& request, std::string_view name) {
  if (const auto value = request.parameter(name)) return *value;
  return request.header("x-demo-" + std::string(name)).value_or("");
}

std::chrono::milliseconds ordered_delay(const Request& request) {
  const auto text = order(request, "delay");
  long value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || value <= 0) return {};
  const bool in_seconds = std::string_view(end, text.data() + text.size()) == "s";
  value = std::min(value, 60'000L);
  return std::min(std::chrono::milliseconds(in_seconds ? value * 1000 : value), std::chrono::milliseconds(60'000));
}

int ordered_status(const Request& request) {
  const auto text = order(request, "status");
  int value = 200;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value >= 200 && value <= 599 ? value : 400;
}

bool answer(Connection& connection, const Request& request, const std::string& name, int status, bool keep) {
  const bool bodiless = status == 204 || status == 304;
  const std::string body = bodiless ? "" : echo(request, name);
  std::string out = "HTTP/1.1 " + std::to_string(status) + (status < 400 ? " OK" : " Told So") + "\r\n";
  out += "server: sluice-demo\r\nx-served-by: " + name + "\r\n";
  if (!bodiless) out += "content-type: application/json\r\ncontent-length: " + std::to_string(body.size()) + "\r\n";
  if (!keep) out += "connection: close\r\n";
  out += "\r\n";
  if (request.method != "HEAD") out += body;
  return connection.send(out) && keep;
}

}  // namespace

void serve(int descriptor, const std::string& name) {
  Connection connection(descriptor);
  for (bool open = true; open;) {
    Request request;
    const auto result = read_request(connection, request);
    if (result == ReadResult::closed) return;
    if (result == ReadResult::malformed) {
      (void)connection.send("HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
      return;
    }
    if (request.path == "/healthz") {
      open = answer(connection, request, name, 200, request.keep_alive);
      continue;
    }
    if (name == "messages" && serve_chat(connection, request)) return;
    std::this_thread::sleep_for(ordered_delay(request));
    if (!order(request, "drop").empty()) return;
    open = answer(connection, request, name, ordered_status(request),
                  request.keep_alive && order(request, "close").empty());
  }
}

}  // namespace demo
