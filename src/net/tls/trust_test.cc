#include "net/tls/trust.h"

#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "net/tls/certificate_fixture.h"

namespace sluice::net::tls {
namespace {

using ::testing::HasSubstr;

std::string fault(const std::string& authorities, const std::string& revoked = "", bool has_lists = false) {
  const auto made = Trust::parse({"ca.pem", has_lists ? "crl.pem" : ""}, authorities, revoked);
  return made ? "" : (made.error().is_of_revoked ? "crl " : "ca ") + made.error().what;
}

TEST(Trust, WhatAFileOfAuthoritiesMayHold) {
  const std::string one = testing::make_pem().certificate, other = testing::make_pem().certificate;
  EXPECT_EQ(fault(one), "");
  EXPECT_EQ(fault("text before\n" + one + "and between\n" + other + "and behind"), "");
  EXPECT_EQ(fault(one + testing::make_pem().key), "");  // another kind of block
  EXPECT_THAT(fault(""), HasSubstr("ca holds no certificate in PEM form"));
  EXPECT_THAT(fault("nonsense"), HasSubstr("ca holds no certificate in PEM form"));
  for (const std::size_t cut : {std::size_t{40}, std::size_t{300}, one.size() - 10})
    EXPECT_THAT(fault(other + one.substr(0, cut)), HasSubstr("ca holds a certificate that cannot be read")) << cut;
}

TEST(Trust, WhatAFileOfListsMayNotHold) {
  const std::string authority = testing::make_pem().certificate;
  EXPECT_THAT(fault(authority, "", true), HasSubstr("crl holds no list of revoked certificates"));
  EXPECT_THAT(fault(authority, authority, true), HasSubstr("crl holds no list of revoked certificates"));
  EXPECT_THAT(fault(authority, "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", true),
              HasSubstr("crl holds a list of revoked certificates that cannot be read"));
}

TEST(Trust, AFileThatStaysTheSameIsTheSameTrust) {
  const auto folder = std::filesystem::path(::testing::TempDir());
  const std::string path = folder / "trust_test.pem";
  const auto write = [&](const std::string& text) { std::ofstream(path) << text; };
  const std::string one = testing::make_pem().certificate;
  write(one);
  const auto first = Trust::load({path, ""}, nullptr);
  ASSERT_TRUE(first);
  write(one);
  EXPECT_EQ(*Trust::load({path, ""}, *first), *first);
  write(testing::make_pem().certificate);
  const auto second = Trust::load({path, ""}, *first);
  ASSERT_TRUE(second);
  EXPECT_NE(*second, *first);
  std::filesystem::remove(path);
  EXPECT_THAT(Trust::load({path, ""}, *first).error().what, HasSubstr("cannot be read: No such file"));
}

}  // namespace
}  // namespace sluice::net::tls
