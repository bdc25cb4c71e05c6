#include "net/address.h"

#include <gtest/gtest.h>

namespace sluice::net {
namespace {

std::string round_trip(std::string_view text) {
  const auto address = Address::parse(text);
  return address ? address->text() : address.error().what;
}

TEST(Address, ParsesAndPrints) {
  for (const char* text : {"127.0.0.1:80", "0.0.0.0:0", "255.255.255.255:65535", "[::1]:80", "[::]:1", "[fd00::1]:443",
                           "[1:2:3:4:5:6:7:8]:9", "[1:0:0:4::8]:9", "[2001:db8::1:0:0:1]:9", "[1::]:9"}) {
    EXPECT_EQ(round_trip(text), text);
  }
}

TEST(Address, PrintsTheFormOfRfc5952) {
  EXPECT_EQ(round_trip("[2001:DB8:0:0:0:0:2:1]:1"), "[2001:db8::2:1]:1");
  EXPECT_EQ(round_trip("[2001:db8:0:1:1:1:1:1]:1"), "[2001:db8:0:1:1:1:1:1]:1");  // one group is not shortened
  EXPECT_EQ(round_trip("[2001:0:0:1:0:0:0:1]:1"), "[2001:0:0:1::1]:1");           // the longest run
  EXPECT_EQ(round_trip("[2001:db8:0:0:1:0:0:1]:1"), "[2001:db8::1:0:0:1]:1");     // the first of equals
  EXPECT_EQ(round_trip("[0001:0002:3:4:5:6:7:0]:1"), "[1:2:3:4:5:6:7:0]:1");
  EXPECT_EQ(round_trip("[::1.2.3.4]:1"), "[::102:304]:1");
}

TEST(Address, MappedAddressesAreIpv4) {
  EXPECT_EQ(round_trip("[::ffff:1.2.3.4]:80"), "1.2.3.4:80");
  EXPECT_EQ(*Address::parse("[::ffff:1.2.3.4]:80"), *Address::parse("1.2.3.4:80"));
}

TEST(Address, RefusesWhatIsNotStrict) {
  for (const char* text : {"",
                           ":",
                           ":80",
                           "127.0.0.1",
                           "127.0.0.1:",
                           "127.0.0.1:65536",
                           "127.0.0.1:080",
                           "127.0.0.1:+1",
                           "127.0.0.1:1 ",
                           "127.0.0.01:80",
                           "0177.0.0.1:80",
                           "0x7f.0.0.1:80",
                           "127.1:80",
                           "127.0.0.1.1:80",
                           "127.0.0.256:80",
                           "127.0.0.:80",
                           ".0.0.1:80",
                           "1..2.3:80",
                           "localhost:80",
                           "::1:80",
                           "[::1]",
                           "[::1]80",
                           "[::1:80",
                           "[127.0.0.1]:80",
                           "[]:80",
                           "[::1%lo]:80",
                           "[::1::2]:80",
                           "[12345::]:80",
                           "[:1]:80",
                           "[::ffff:1.2.3.04]:80",
                           "127.0.0.1:1:2",
                           "127.0.0.1:99999999999999999999"}) {
    EXPECT_FALSE(Address::parse(text)) << text;
  }
  EXPECT_FALSE(Address::parse_ip(std::string_view("::1\0", 4)));
  EXPECT_FALSE(Address::parse_ip("1.2.3.4:80"));
  EXPECT_EQ(Address::parse("127.0.0.1").error().code, Code::malformed);
}

TEST(Address, SockaddrRoundTrip) {
  for (const char* text : {"10.1.2.3:8080", "[fd00::12]:443"}) {
    sockaddr_storage storage{};
    const auto address = *Address::parse(text);
    EXPECT_EQ(address.to_sockaddr(storage), address.is_v4 ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
    EXPECT_EQ(Address::from_sockaddr(reinterpret_cast<const sockaddr*>(&storage)), address);
  }
}

bool contains(std::string_view block, std::string_view ip) {
  return AddressBlock::parse(block)->contains(*Address::parse_ip(ip));
}

TEST(AddressBlock, Contains) {
  EXPECT_TRUE(contains("10.0.0.0/8", "10.255.0.1"));
  EXPECT_FALSE(contains("10.0.0.0/8", "11.0.0.0"));
  EXPECT_TRUE(contains("10.0.0.0/13", "10.7.255.255"));
  EXPECT_FALSE(contains("10.0.0.0/13", "10.8.0.0"));
  EXPECT_TRUE(contains("192.168.1.7", "192.168.1.7"));
  EXPECT_FALSE(contains("192.168.1.7", "192.168.1.6"));
  EXPECT_TRUE(contains("0.0.0.0/0", "8.8.8.8"));
  EXPECT_FALSE(contains("0.0.0.0/0", "fd00::1"));
  EXPECT_FALSE(contains("::/0", "8.8.8.8"));
  EXPECT_TRUE(contains("fd00::/8", "fdff::1"));
  EXPECT_FALSE(contains("fd00::/8", "fe00::1"));
  EXPECT_TRUE(contains("::ffff:10.0.0.0/104", "10.1.2.3"));
}

TEST(AddressBlock, RefusesWhatIsNotStrict) {
  for (const char* text : {"10.0.0.0/33", "10.0.0.0/", "10.0.0.0/08", "10.0.0.1/8", "fd00::/129", "fd00::1/64", "/8",
                           "10/8", "10.0.0.0/-1", "10.0.0.0/8/8"}) {
    EXPECT_FALSE(AddressBlock::parse(text)) << text;
  }
}

}  // namespace
}  // namespace sluice::net
