#include "net/tls/tls_bio.h"

#include <openssl/bio.h>

#include "net/tls/tls_stream.h"

namespace sluice::net::tls {

namespace {

TlsStream& stream_of(BIO* bio) { return *static_cast<TlsStream*>(BIO_get_data(bio)); }

// That nothing more comes is the stream's to see: here it only looks as if nothing had come yet.
int read_bytes(BIO* bio, char* out, std::size_t most, std::size_t* count) {
  BIO_clear_retry_flags(bio);
  *count = stream_of(bio).take_encrypted(out, most);
  if (*count > 0) return 1;
  BIO_set_retry_read(bio);
  return 0;
}

int write_bytes(BIO* bio, const char* bytes, std::size_t size, std::size_t* count) {
  stream_of(bio).put_encrypted({bytes, size});
  *count = size;
  return 1;
}

long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

int create(BIO* bio) {
  BIO_set_init(bio, 1);
  return 1;
}

const BIO_METHOD* make_method() {
  BIO_METHOD* const method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "sluice stream");
  BIO_meth_set_read_ex(method, read_bytes);
  BIO_meth_set_write_ex(method, write_bytes);
  BIO_meth_set_ctrl(method, control);
  BIO_meth_set_create(method, create);
  return method;
}

}  // namespace

bio_st* make_bio(TlsStream& stream) {
  static const BIO_METHOD* const method = make_method();
  BIO* const bio = BIO_new(method);
  BIO_set_data(bio, &stream);
  return bio;
}

}  // namespace sluice::net::tls
