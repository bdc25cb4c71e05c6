#include "http/websocket/handshake.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::http::websocket {
namespace {

class Handshake : public ::testing::Test {
 protected:
  std::string checked() {
    const Refusal refusal = check_request(fields);
    return refusal.cause == nullptr ? "" : std::string(refusal.cause->code);
  }
  Arena arena;
  FieldList fields;
};

TEST_F(Handshake, TheExampleOfRfc6455) {
  fields.add(arena, "sec-websocket-version", "13");
  fields.add(arena, "sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
  EXPECT_EQ(checked(), "");
  const Accept accept = accept_of(fields);
  EXPECT_EQ(std::string_view(accept.data(), accept.size()), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

TEST_F(Handshake, VersionsAndKeysThatAreNotRight) {
  struct Row {
    const char *version, *key, *code;
  };
  for (const Row& row : {Row{"12", "dGhlIHNhbXBsZSBub25jZQ==", "websocket_version_unsupported"},
                         Row{"", "dGhlIHNhbXBsZSBub25jZQ==", "websocket_version_unsupported"},
                         Row{nullptr, "dGhlIHNhbXBsZSBub25jZQ==", "websocket_handshake_malformed"},
                         Row{"13", nullptr, "websocket_handshake_malformed"},
                         Row{"13", "", "websocket_handshake_malformed"},
                         Row{"13", "dGhlIHNhbXBsZSBub25jZQ=", "websocket_handshake_malformed"},
                         Row{"13", "dGhlIHNhbXBsZSBub25jZQ=A", "websocket_handshake_malformed"},
                         Row{"13", "dGhlIHNhbXBsZSBub25j-Q==", "websocket_handshake_malformed"}}) {
    fields.clear();
    if (row.version != nullptr) fields.add(arena, "sec-websocket-version", row.version);
    if (row.key != nullptr) fields.add(arena, "sec-websocket-key", row.key);
    EXPECT_EQ(checked(), row.code);
  }
  fields.clear();
  for (int i = 0; i < 2; ++i) fields.add(arena, "sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
  fields.add(arena, "sec-websocket-version", "13");
  EXPECT_EQ(checked(), "websocket_handshake_malformed");
  EXPECT_FALSE(is_accepted(fields, {accept_of(fields).data(), 28})) << "there is no answer among them";
}

TEST_F(Handshake, OneAcceptThatFits) {
  fields.add(arena, "sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  EXPECT_TRUE(is_accepted(fields, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
  EXPECT_FALSE(is_accepted(fields, "S3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
  fields.add(arena, "sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  EXPECT_FALSE(is_accepted(fields, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
}

}  // namespace
}  // namespace sluice::http::websocket
