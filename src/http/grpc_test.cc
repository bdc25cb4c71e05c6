#include "http/grpc.h"

#include <gtest/gtest.h>

#include "http/causes.h"

namespace sluice::http::grpc {
namespace {

using namespace std::chrono_literals;

class GrpcTest : public testing::Test {
 protected:
  FieldList with(std::string_view name, std::string_view value) {
    FieldList fields;
    fields.add(arena_, name, value);
    return fields;
  }
  Arena arena_;
};

TEST_F(GrpcTest, WhatIsGrpc) {
  for (const char* const yes : {"application/grpc", "application/grpc+proto", "Application/GRPC;a=b"})
    EXPECT_TRUE(is_grpc(with("content-type", yes))) << yes;
  for (const char* const no : {"application/grpc-web", "application/grpcx", "application/json", ""})
    EXPECT_FALSE(is_grpc(with("content-type", no))) << no;
  EXPECT_FALSE(is_grpc({}));
}

TEST_F(GrpcTest, Timeouts) {
  EXPECT_EQ(timeout_of(with("grpc-timeout", "100m")), 100ms);
  EXPECT_EQ(timeout_of(with("grpc-timeout", "2S")), 2s);
  EXPECT_EQ(timeout_of(with("grpc-timeout", "1H")), 1h);
  EXPECT_EQ(timeout_of(with("grpc-timeout", "3M")), 3min);
  EXPECT_EQ(timeout_of(with("grpc-timeout", "7u")), 7us);
  EXPECT_EQ(timeout_of(with("grpc-timeout", "0n")), 1ns) << "over already, but not absent";
  EXPECT_EQ(timeout_of(with("grpc-timeout", "99999999H")), std::chrono::hours(24 * 365));
  for (const char* const none : {"", "S", "1", "1x", "-1S", "999999999S", "1 S"})
    EXPECT_EQ(timeout_of(with("grpc-timeout", none)), Duration::zero()) << none;
}

TEST_F(GrpcTest, Statuses) {
  EXPECT_EQ(status_of(with("grpc-status", "0")), ok);
  EXPECT_EQ(status_of(with("grpc-status", "16")), unauthenticated);
  for (const char* const bad : {"17", "-1", "00", "x", ""})
    EXPECT_EQ(status_of(with("grpc-status", bad)), unknown) << bad;
  EXPECT_EQ(status_of(FieldList()), unknown);
  EXPECT_EQ(status_of(request_body_too_large), resource_exhausted);
  EXPECT_EQ(status_of(client_closed), cancelled);
}

TEST_F(GrpcTest, FaultsAreTrailersOnly) {
  const ResponseHead head = fault_head(request_malformed, arena_);
  EXPECT_EQ(head.status, 200);
  EXPECT_TRUE(head.body.is_empty());
  EXPECT_EQ(head.fields.find("grpc-status")->value, "13");
  EXPECT_EQ(head.fields.find("grpc-message")->value, "request_malformed: malformed request");
}

}  // namespace
}  // namespace sluice::http::grpc
