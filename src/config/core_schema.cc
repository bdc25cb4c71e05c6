#include "config/core_schema.h"

namespace sluice::config {
namespace {

bool is_digits(std::string_view text, std::string_view digits) {
  return !text.empty() && text.find_first_not_of(digits) == std::string_view::npos;
}

bool is_integer(std::string_view text) {
  if (text.starts_with("0x")) return is_digits(text.substr(2), "0123456789abcdefABCDEF");
  if (text.starts_with("0o")) return is_digits(text.substr(2), "01234567");
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  return is_digits(text, "0123456789") && (text.size() == 1 || text[0] != '0');
}

bool is_real(std::string_view text) {
  if (text == ".nan" || text == ".NaN" || text == ".NAN") return true;
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  if (text == ".inf" || text == ".Inf" || text == ".INF") return true;
  const std::size_t exponent = text.find_first_of("eE");
  if (exponent != std::string_view::npos) {
    std::string_view power = text.substr(exponent + 1);
    if (power.starts_with('-') || power.starts_with('+')) power.remove_prefix(1);
    if (!is_digits(power, "0123456789")) return false;
    text = text.substr(0, exponent);
  }
  const std::size_t point = text.find('.');
  const std::string_view whole = text.substr(0, point);
  const std::string_view fraction = point == std::string_view::npos ? "" : text.substr(point + 1);
  if (whole.size() > 1 && whole[0] == '0') return false;
  return (whole.empty() || is_digits(whole, "0123456789")) && (fraction.empty() || is_digits(fraction, "0123456789")) &&
         (!whole.empty() || !fraction.empty());
}

}  // namespace

Kind kind_of_plain(std::string_view text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return Kind::null;
  if (text == "true" || text == "True" || text == "TRUE") return Kind::boolean;
  if (text == "false" || text == "False" || text == "FALSE") return Kind::boolean;
  if (std::string_view("+-.0123456789").find(text[0]) == std::string_view::npos) return Kind::text;
  if (is_integer(text)) return Kind::integer;
  return is_real(text) ? Kind::real : Kind::text;
}

}  // namespace sluice::config
