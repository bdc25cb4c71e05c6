#include "gateway/tls_compiler.h"

#include <string.h>

#include <chrono>
#include <utility>

#include "net/tls/protocol_list.h"

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
               left <= 0
                   ? "the certificate of " + certificate.name() + " has expired"
                   : "the certificate of " + certificate.name() + " expires in " + std::to_string(left / day) + " days")
      .help = "renew it: a changed file is taken over without a reload";
}

// False when the config cannot be taken so. Without its staple a certificate serves all the same: of what time or the
// authority has done to it, and of any fault while a process that serves is replaced, is warned only.
bool load_staple(const CertificateConfig& pair, const net::tls::Certificate& certificate, const std::string& path,
                 bool is_lenient, config::Diagnostics& diagnostics) {
  if (pair.ocsp->empty()) return true;
  const auto done = certificate.load_staple(wall_seconds());
  if (done) return true;
  const net::tls::StapleFault& fault = done.error();
  const bool is_warning = fault.comes_with_time || is_lenient;
  const std::string text = "the file " + *pair.ocsp + " " + fault.what;
  auto& added = is_warning ? diagnostics.warning(pair.ocsp.place, "bad_ocsp", path + ".ocsp", text)
                           : diagnostics.error(pair.ocsp.place, "bad_ocsp", path + ".ocsp", text);
  added.help = fault.help;
  return is_warning;
}

// Null when a file is refused: that was said.
std::shared_ptr<const net::tls::Trust> load_trust(const config::Located<std::string>& authorities,
                                                  const config::Located<std::string>& revoked, const std::string& path,
                                                  const std::shared_ptr<const net::tls::Trust>& known,
                                                  config::Diagnostics& diagnostics) {
  auto trust = net::tls::Trust::load({*authorities, *revoked}, known);
  if (trust) return std::move(*trust);
  const net::tls::TrustFault& fault = trust.error();
  const config::Located<std::string>& file = fault.is_of_revoked ? revoked : authorities;
  diagnostics
      .error(file.place, "bad_certificate", path + (fault.is_of_revoked ? ".crl" : ".ca"),
             (file->empty() ? "" : "the file " + *file + " ") + fault.what)
      .help = fault.help;
  return nullptr;
}

std::shared_ptr<const net::tls::Trust> load_client_trust(const ClientCertificatesConfig& config,
                                                         const std::string& path, config::Diagnostics& diagnostics) {
  auto trust = load_trust(config.ca, config.crl, path, nullptr, diagnostics);
  if (trust != nullptr && trust->lists_until().value_or(wall_seconds() + 1) <= wall_seconds())
    diagnostics
        .warning(config.crl.place, "list_out_of_date", path + ".crl",
                 "the list of revoked certificates in " + *config.crl + " is out of date: nobody is let in")
        .help = "renew it: a changed file is taken over without a reload";
  return trust;
}

// Null when the file is refused: that was said.
std::shared_ptr<net::tls::TicketKeys> keep_ticket_keys(const config::Located<std::string>& file,
                                                       const std::string& path, KeptTls& kept,
                                                       config::Diagnostics& diagnostics) {
  if (file->empty()) {
    if (kept.tickets == nullptr) kept.tickets = std::make_shared<net::tls::TicketKeys>();
    return kept.tickets;
  }
  auto keys = load_ticket_keys(*file);
  if (!keys) {
    diagnostics.error(file.place, "bad_key", path + ".ticket_keys", "the file " + *file + " " + keys.error().what)
        .help = keys.error().help;
    return nullptr;
  }
  auto& known = kept.tickets_by_file[*file];
  if (known == nullptr)
    known = std::make_shared<net::tls::TicketKeys>(std::move(*keys));
  else
    known->replace(std::move(*keys));  // what the watch over the file would bring in a moment
  return known;
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
  std::erase_if(client_contexts, [](const auto& entry) { return entry.second.context.use_count() == 1; });
  // What goes may have held what else goes.
  while (std::erase_if(published, [](const auto& one) { return one.use_count() <= 1; }) > 0) {
  }
  std::erase_if(tickets_by_file, [](const auto& entry) { return entry.second.use_count() == 1; });
}

std::expected<std::shared_ptr<const net::tls::TicketKeyList>, net::tls::CertificateFault> load_ticket_keys(
    const std::string& file) {
  auto bytes = net::tls::CertificateStore::read(file, true);
  if (!bytes) return std::unexpected(std::move(bytes.error()));
  auto keys = net::tls::TicketKeys::parse(*bytes);
  explicit_bzero(bytes->data(), bytes->size());
  if (keys) return std::move(*keys);
  return std::unexpected(net::tls::CertificateFault{
      .is_of_key = true,
      .what = std::move(keys.error()),
      .help = "`openssl rand 80 > FILE` makes one key; several stand one behind another, the one that seals first"});
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
  std::shared_ptr<const net::tls::Trust> trust;
  if (const auto& wanted = config.client_certificates) {
    client_auth = {
        .mode = wanted->mode, .depth = static_cast<int>(wanted->depth), .names = wanted->names, .hosts = wanted->hosts};
    trust = load_client_trust(*wanted, path + ".client_certificates", diagnostics);
    is_good &= trust != nullptr;
  }
  CertificateTable::List list;
  for (std::size_t i = 0; i < config.certificates.size(); ++i) {
    const CertificateConfig& pair = config.certificates[i];
    const std::string at = path + ".certificates[" + std::to_string(i) + "]";
    auto certificate =
        kept.certificates.load({*pair.cert, *pair.key, *pair.ocsp}, net::tls::CertificateUse::server, now);
    if (!certificate) {
      report(pair, certificate.error(), at, diagnostics);
      is_good = false;
      continue;
    }
    warn_of_expiry(pair, **certificate, now, at, diagnostics);
    is_good &= load_staple(pair, **certificate, at, kept.certificates.accepts_expired(), diagnostics);
    list.push_back(std::move(*certificate));
  }
  auto tickets = keep_ticket_keys(config.ticket_keys, path, kept, diagnostics);
  if (!is_good || list.empty() || tickets == nullptr) return nullptr;  // an empty list was reported when it was read
  auto table = std::make_shared<const CertificateTable>(std::move(list));
  auto context = net::tls::ServerContext::make({.min_version = config.min_version,
                                                .ciphers = *config.ciphers,
                                                .cipher_suites = *config.cipher_suites,
                                                .protocols = std::move(protocols),
                                                .policy = path,
                                                .tickets = std::move(tickets),
                                                .client_auth = std::move(client_auth)},
                                               table, trust);
  if (!context) {
    diagnostics.error(config::Place{}, "bad_certificate", path, context.error());
    return nullptr;
  }
  for (std::size_t i = 0; i < table->certificates().size() && i < opened_at_load; ++i) {
    const auto usable = table->certificates()[i]->check_use((*context)->native());
    if (usable) continue;
    report(config.certificates[i], usable.error(), path + ".certificates[" + std::to_string(i) + "]", diagnostics);
    is_good = false;
  }
  if (!is_good) return nullptr;
  kept.published.insert(kept.published.end(), {std::move(table), std::move(trust), *context});
  return *context;
}

namespace {

// Null when a file is refused: that was said. `before`: what the files gave last time; may be null.
std::shared_ptr<const net::tls::ClientCredentials> load_credentials(
    const upstream::UpstreamTlsConfig& config, const std::shared_ptr<const net::tls::ClientCredentials>& before,
    const std::string& path, KeptTls& kept, config::Diagnostics& diagnostics) {
  auto loaded = std::make_shared<net::tls::ClientCredentials>();
  bool is_good = true;
  if (!config.insecure_skip_verify) {
    loaded->trust = load_trust(config.ca, {}, path, before == nullptr ? nullptr : before->trust, diagnostics);
    is_good = loaded->trust != nullptr;
  }
  if (!config.cert->empty()) {
    auto certificate =
        kept.certificates.load({*config.cert, *config.key}, net::tls::CertificateUse::client, wall_seconds());
    if (!certificate) {
      report({config.cert, config.key}, certificate.error(), path, diagnostics);
      is_good = false;
    } else {
      loaded->certificate = std::move(*certificate);
    }
  }
  return is_good ? loaded : nullptr;
}

// What makes a context what it is, but for what its files hold.
std::string key_of(const upstream::UpstreamTlsConfig& config, const std::vector<std::string>& protocols) {
  std::string key = net::tls::wire_form(protocols) + std::to_string(config.insecure_skip_verify) +
                    std::to_string(static_cast<int>(config.min_version));
  for (const auto* const text : {&config.ca, &config.server_name, &config.cert, &config.key}) key += '\n' + **text;
  return key;
}

}  // namespace

std::shared_ptr<const net::tls::ClientContext> compile_tls(const upstream::UpstreamTlsConfig& config,
                                                           std::vector<std::string> protocols, const std::string& path,
                                                           KeptTls& kept, config::Diagnostics& diagnostics) {
  std::string key = key_of(config, protocols);
  const auto found = kept.client_contexts.find(key);
  const auto known = found == kept.client_contexts.end() ? nullptr : found->second.context;
  const auto credentials =
      load_credentials(config, known == nullptr ? nullptr : known->credentials(), path, kept, diagnostics);
  if (config.insecure_skip_verify)
    diagnostics
        .warning(config.place, "insecure_skip_verify", path,
                 "certificates are not looked at: whoever stands between the gateway and the endpoints can read and "
                 "change everything")
        .help = "name the authority that vouches for the endpoints in `ca`, and their name in `server_name`";
  if (credentials == nullptr) return nullptr;
  const auto is_usable = [&](net::tls::ClientContext& context) {
    const auto usable = credentials->certificate == nullptr ? std::expected<void, net::tls::CertificateFault>()
                                                            : credentials->certificate->check_use(context.native());
    if (!usable) report({config.cert, config.key}, usable.error(), path, diagnostics);
    return usable.has_value();
  };
  if (known != nullptr && !is_usable(*known)) return nullptr;
  if (known != nullptr) {  // in use perhaps: what the files say is what the watch over them would bring in a moment
    if (*known->credentials() != *credentials) {
      kept.published.push_back(credentials);
      known->replace_credentials(credentials);
    }
    return known;
  }
  auto made = net::tls::ClientContext::make({.min_version = config.min_version,
                                             .server_name = *config.server_name,
                                             .verifies = !config.insecure_skip_verify,
                                             .protocols = std::move(protocols)},
                                            credentials);
  if (!made) {
    diagnostics.error(config.place, "bad_certificate", path, made.error());
    return nullptr;
  }
  if (!is_usable(**made)) return nullptr;
  kept.published.push_back(credentials);
  kept.client_contexts.emplace(std::move(key), KeptTls::ToUpstream{path, *made});
  return *made;
}

}  // namespace sluice::gateway
