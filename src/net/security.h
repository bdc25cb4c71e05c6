#pragma once
// What is known of an encrypted stream once its handshake is done. Views are of static texts or of the stream itself.

#include <string>
#include <string_view>

namespace sluice::net {

struct Security {
  std::string_view version;   // "1.2", "1.3"
  std::string_view cipher;    // as OpenSSL calls it: "TLS_AES_128_GCM_SHA256"
  std::string_view protocol;  // chosen by ALPN: "http/1.1", "h2"; empty: none was
  std::string server_name;    // SNI, in lower case; empty: none was given
  bool is_resumed = false;
  // Whether the client was asked for a certificate, and the one that it gave, verified: DER in base64. "": none.
  bool has_client_auth = false;
  std::string client_certificate;
};

}  // namespace sluice::net
