#include "net/tls/certificate_table.h"

namespace sluice::net::tls {

CertificateTable::CertificateTable(List certificates) : certificates_(std::move(certificates)) {
  by_name_.reserve(certificates_.size());
  for (const auto& certificate : certificates_) {
    for (const std::string& name : certificate->names()) {
      const Certificate*& place = by_name_[name][static_cast<std::size_t>(certificate->key_type())];
      if (place == nullptr) place = certificate.get();
    }
  }
  if (certificates_.empty()) return;
  const Certificate& first = *certificates_.front();
  first_ = by_name_[first.names().front()];
  first_[static_cast<std::size_t>(first.key_type())] = &first;
}

const CertificateTable::Choice* CertificateTable::find_name(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &found->second;
}

const CertificateTable::Choice& CertificateTable::find(std::string_view name) const {
  if (const Choice* const exact = find_name(name)) return *exact;
  const std::size_t dot = name.find('.');
  if (dot == std::string_view::npos || dot == 0) return first_;
  std::string wildcard("*");
  wildcard += name.substr(dot);
  const Choice* const found = find_name(wildcard);
  return found != nullptr ? *found : first_;
}

}  // namespace sluice::net::tls
