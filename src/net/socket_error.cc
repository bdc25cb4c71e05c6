#include "net/socket_error.h"

#include <cerrno>

namespace sluice::net {

Error error_of(int number) {
  switch (number) {
    case ECONNREFUSED:
      return {Code::refused, Side::upstream, false, "connection refused"};
    case ETIMEDOUT:
      return {Code::timed_out, Side::upstream, false, "the peer stopped answering"};
    case ECONNRESET:
      return {Code::reset, Side::upstream, false, "connection reset by the peer"};
    case EPIPE:
      return {Code::reset, Side::upstream, false, "the peer takes no more bytes"};
    case ENETUNREACH:
      return {Code::unreachable, Side::upstream, false, "network is unreachable"};
    case EHOSTUNREACH:
      return {Code::unreachable, Side::upstream, false, "no route to the host"};
    case EADDRNOTAVAIL:
      return {Code::unavailable, Side::gateway, false, "no local address or port left"};
    case EMFILE:
    case ENFILE:
      return {Code::exhausted, Side::gateway, false, "out of file descriptors"};
    case ENOBUFS:
    case ENOMEM:
      return {Code::exhausted, Side::gateway, false, "out of kernel memory"};
    case EACCES:
    case EPERM:
      return {Code::denied, Side::gateway, false, "the system forbids this connection"};
    default:
      return {Code::reset, Side::upstream, false, "connection failed"};
  }
}

Error setup_error_of(int number) {
  switch (number) {
    case EADDRINUSE:
      return {Code::unavailable, Side::gateway, false, "address is in use"};
    case EACCES:
    case EPERM:
      return {Code::denied, Side::gateway, false, "permission denied"};
    case EADDRNOTAVAIL:
      return {Code::unreachable, Side::gateway, false, "not an address of this machine"};
    case EAFNOSUPPORT:
      return {Code::unsupported, Side::gateway, false, "address family is not supported here"};
    case EMFILE:
    case ENFILE:
      return {Code::exhausted, Side::gateway, false, "out of file descriptors"};
    case ENOBUFS:
    case ENOMEM:
      return {Code::exhausted, Side::gateway, false, "out of kernel memory"};
    default:
      return {Code::unavailable, Side::gateway, false, "the system refused the socket"};
  }
}

}  // namespace sluice::net
