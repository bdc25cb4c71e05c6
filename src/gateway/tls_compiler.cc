#include "gateway/tls_compiler.h"

#include <chrono>

namespace sluice::gateway {

namespace {

using net::tls::CertificateTable;

// So many are made ready for their first handshake when they are loaded, and the others when they are asked for: ten
// thousand would take seconds.
constexpr std::size_t opened_at_load = 64;

void report(const CertificateConfig& pair, const net::tls::CertificateFault& fault, const std::string& path,
            config::Diagnostics& diagnostics) {
  const config::Located<std::string>& file = fault.is_of_key ? pair.key : pair.cert;
  auto& added = diagnostics.error(file.place, fault.is_of_key ? "bad_key" : "bad_certificate",
                                  path + (fault.is_of_key ? ".key" : ".cert"), "the file " + *file + " " + fault.what);
  added.help = fault.help;
}

void warn_of_expiry(const CertificateConfig& pair, const net::tls::Certificate& certificate, std::int64_t now,
                    const std::string& path, config::Diagnostics& diagnostics) {
  const std::int64_t left = certificate.expires_at() - now;
  if (left >= std::chrono::seconds(expiry_warning).count()) return;
  constexpr std::int64_t day = 86'400;
  diagnostics
      .warning(pair.cert.place, "certificate_expires", path + ".cert",
               left <= 0 ? "the certificate of " + certificate.names().front() + " has expired"
                         : "the certificate of " + certificate.names().front() + " expires in " +
                               std::to_string(left / day) + " days")
      .help = "renew it: a changed file is taken over without a reload";
}

// False when the file cannot be read: that was said.
bool read_file(const config::Located<std::string>& file, const std::string& path, std::string& pem,
               config::Diagnostics& diagnostics) {
  if (file->empty()) return true;
  auto text = net::tls::CertificateStore::read(*file, false);
  if (text) {
    pem = std::move(*text);
    return true;
  }
  diagnostics.error(file.place, "bad_certificate", path, "the file " + *file + " " + text.error().what).help =
      text.error().help;
  return false;
}

bool read_client_auth(const ClientCertificatesConfig& config, const std::string& path,
                      net::tls::ClientAuthSettings& settings, config::Diagnostics& diagnostics) {
  settings = {.mode = config.mode,
              .depth = static_cast<int>(config.depth),
              .names = config.names,
              .hosts = config.hosts};
  const bool has_authorities = read_file(config.ca, path + ".ca", settings.authorities, diagnostics);
  return read_file(config.crl, path + ".crl", settings.revoked, diagnostics) && has_authorities;
}

bool check_ciphers(const ListenerTlsConfig& config, const std::string& path, config::Diagnostics& diagnostics) {
  const auto check = [&](const config::Located<std::string>& list, const char* key, bool is_known) {
    if (list->empty() || is_known) return true;
    diagnostics.error(list.place, "unknown_cipher", path + "." + key, "'" + *list + "' names no cipher that is known")
        .help = "`openssl ciphers -s -v` lists them; leave the key out for a good choice";
    return false;
  };
  const bool is_good = check(config.ciphers, "ciphers", net::tls::is_cipher_list(*config.ciphers));
  return check(config.cipher_suites, "cipher_suites", net::tls::is_cipher_suite_list(*config.cipher_suites)) && is_good;
}

}  // namespace

void KeptTls::sweep() {
  std::erase_if(contexts, [](const auto& context) { return context.use_count() == 1; });
  std::erase_if(client_contexts, [](const auto& entry) { return entry.second.use_count() == 1; });
  std::erase_if(tables, [](const auto& table) { return table.use_count() == 1; });
}

std::int64_t wall_seconds() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()).time_since_epoch().count();
}

std::shared_ptr<net::tls::ServerContext> compile_tls(const ListenerTlsConfig& config,
                                                     std::vector<std::string> protocols, const std::string& path,
                                                     KeptTls& kept, config::Diagnostics& diagnostics) {
  const std::int64_t now = wall_seconds();
  bool is_good = check_ciphers(config, path, diagnostics);
  net::tls::ClientAuthSettings client_auth;
  if (config.client_certificates)
    is_good &= read_client_auth(*config.client_certificates, path + ".client_certificates", client_auth, diagnostics);
  CertificateTable::List list;
  for (std::size_t i = 0; i < config.certificates.size(); ++i) {
    const CertificateConfig& pair = config.certificates[i];
    const std::string at = path + ".certificates[" + std::to_string(i) + "]";
    auto certificate = kept.certificates.load({*pair.cert, *pair.key}, now);
    if (certificate && i < opened_at_load && !(*certificate)->open())
      certificate = std::unexpected(net::tls::CertificateFault{.what = "cannot be used with its key by OpenSSL"});
    if (!certificate) {
      report(pair, certificate.error(), at, diagnostics);
      is_good = false;
      continue;
    }
    warn_of_expiry(pair, **certificate, now, at, diagnostics);
    list.push_back(std::move(*certificate));
  }
  if (!is_good || list.empty()) return nullptr;  // an empty list was reported when it was read
  if (kept.tickets == nullptr) kept.tickets = std::make_shared<net::tls::TicketKeys>();
  auto table = std::make_shared<const CertificateTable>(std::move(list));
  auto context = net::tls::ServerContext::make({.min_version = config.min_version,
                                                .ciphers = *config.ciphers,
                                                .cipher_suites = *config.cipher_suites,
                                                .protocols = std::move(protocols),
                                                .policy = path,
                                                .tickets = kept.tickets,
                                                .client_auth = std::move(client_auth)},
                                               table);
  if (!context) {
    const bool is_of_client = config.client_certificates.has_value();
    diagnostics.error(is_of_client ? config.client_certificates->place : config::Place{}, "bad_certificate",
                      path + (is_of_client ? ".client_certificates" : ""),
                      std::string(is_of_client ? "a file of it " : "") + context.error());
    return nullptr;
  }
  kept.tables.push_back(std::move(table));
  kept.contexts.push_back(*context);
  return *context;
}

std::shared_ptr<const net::tls::ClientContext> compile_tls(const upstream::UpstreamTlsConfig& config,
                                                           const std::string& protocol, const std::string& path,
                                                           KeptTls& kept, config::Diagnostics& diagnostics) {
  net::tls::ClientSettings settings{.min_version = config.min_version,
                                    .server_name = *config.server_name,
                                    .verifies = !config.insecure_skip_verify,
                                    .protocols = {protocol}};
  bool is_good = read_file(config.ca, path + ".ca", settings.authorities, diagnostics);
  if (!config.cert->empty()) {
    auto certificate = kept.certificates.load({*config.cert, *config.key}, wall_seconds());
    if (!certificate) {
      report({config.cert, config.key}, certificate.error(), path, diagnostics);
      is_good = false;
    } else {
      is_good &= (*certificate)->open();
      settings.certificate = std::move(*certificate);
    }
  }
  if (config.insecure_skip_verify)
    diagnostics
        .warning(config.place, "insecure_skip_verify", path,
                 "certificates are not looked at: whoever stands between the gateway and the endpoints can read and "
                 "change everything")
        .help = "name the authority that vouches for the endpoints in `ca`, and their name in `server_name`";
  if (!is_good) return nullptr;
  std::string key = protocol + settings.authorities + '\n' + settings.server_name + '\n' + std::to_string(settings.verifies) +
                    std::to_string(static_cast<int>(settings.min_version)) + '\n' +
                    std::to_string(reinterpret_cast<std::uintptr_t>(settings.certificate.get()));
  if (const auto known = kept.client_contexts.find(key); known != kept.client_contexts.end()) return known->second;
  auto made = net::tls::ClientContext::make(settings);
  if (!made) {
    diagnostics.error(config.ca->empty() ? config.place : config.ca.place, "bad_certificate", path + ".ca",
                      config.ca->empty() ? made.error() : "the file " + *config.ca + " " + made.error());
    return nullptr;
  }
  kept.client_contexts.emplace(std::move(key), *made);
  return *made;
}

}  // namespace sluice::gateway
