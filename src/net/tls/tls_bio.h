#pragma once
// OpenSSL's end of a TlsStream.

struct bio_st;

namespace sluice::net::tls {

class TlsStream;
// A BIO that reads and writes the encrypted side of `stream`, which outlives it.
bio_st* make_bio(TlsStream& stream);

}  // namespace sluice::net::tls
