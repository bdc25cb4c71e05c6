#include "http/canonical.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "http/causes.h"

namespace sluice::http {
namespace {

// The canonical path, `[a][b]` its segments, `!` when it holds an encoded slash; or "refused: why".
std::string path(std::string_view raw) {
  Arena arena;
  const auto result = canonicalise_path(raw, arena);
  if (!result) {
    EXPECT_EQ(result.error().cause, &request_target_refused);
    return std::string("refused: ") + result.error().detail;
  }
  std::string text(result->path);
  text += " ";
  for (const std::string_view segment : result->segments) text.append("[").append(segment).append("]");
  return result->has_encoded_slash ? text + "!" : text;
}

bool is_refused(std::string_view raw) { return path(raw).starts_with("refused: "); }

TEST(CanonicalPath, LeavesWhatIsCanonical) {
  EXPECT_EQ(path("/"), "/ []");
  EXPECT_EQ(path("/a"), "/a [a]");
  EXPECT_EQ(path("/a/"), "/a/ [a][]");
  EXPECT_EQ(path("/users/42/orders"), "/users/42/orders [users][42][orders]");
  EXPECT_EQ(path("/~u/!$&'()*+,=:@-._"), "/~u/!$&'()*+,=:@-._ [~u][!$&'()*+,=:@-._]");
  EXPECT_EQ(path("/.well-known/x"), "/.well-known/x [.well-known][x]");
  EXPECT_EQ(path("/a/.../..b"), "/a/.../..b [a][...][..b]");
}

TEST(CanonicalPath, MoreSegmentsThanTheFastPathHolds) {
  for (const int count : {31, 32, 33, 1000}) {
    std::string raw, segments;
    for (int i = 0; i < count; ++i) raw += "/s", segments += "[s]";
    EXPECT_EQ(path(raw), raw + " " + segments);
  }
}

TEST(CanonicalPath, MustStartWithASlash) {
  EXPECT_TRUE(is_refused(""));
  EXPECT_TRUE(is_refused("a/b"));
  EXPECT_TRUE(is_refused("*"));
}

TEST(CanonicalPath, P01_EncodedDotsAreDotsAndEncodedSlashesAreFlagged) {
  EXPECT_EQ(path("/admin%2fx"), "/admin%2Fx [admin%2Fx]!");
  EXPECT_EQ(path("/a%2e%2e/admin"), "/a../admin [a..][admin]");
  EXPECT_EQ(path("/x/%2e%2E/admin"), "/admin [admin]");
  EXPECT_TRUE(is_refused("/%2e%2e/admin"));
  EXPECT_TRUE(is_refused("/..%2fadmin"));
  EXPECT_TRUE(is_refused("/x/..%2fadmin"));
  EXPECT_TRUE(is_refused("/x%2f..%2fadmin"));
  EXPECT_TRUE(is_refused("/x%2f%2e"));
  EXPECT_EQ(path("/a%2fb/../c"), "/c [c]");
}

TEST(CanonicalPath, P02_ParametersDoNotHideDotSegments) {
  EXPECT_EQ(path("/admin;x"), "/admin;x [admin;x]");
  EXPECT_EQ(path("/a;v=1/b"), "/a;v=1/b [a;v=1][b]");
  for (const char* raw :
       {"/open/..;/admin", "/.;/admin", "/a/..;x=1", "/a/%2e%2e;/b", "/a/..%3b/b", "/a/.%3B", "/a/b%2f..;c"}) {
    EXPECT_TRUE(is_refused(raw)) << raw;
  }
}

TEST(CanonicalPath, P03_SlashesMergeDotsResolveTrailingSlashAndCaseStay) {
  EXPECT_EQ(path("//admin"), "/admin [admin]");
  EXPECT_EQ(path("///a////b//"), "/a/b/ [a][b][]");
  EXPECT_EQ(path("/./admin"), "/admin [admin]");
  EXPECT_EQ(path("/admin/."), "/admin/ [admin][]");
  EXPECT_EQ(path("/a/b/.."), "/a/ [a][]");
  EXPECT_EQ(path("/a/.."), "/ []");
  EXPECT_EQ(path("/a/b/c/./../../g"), "/a/g [a][g]");  // RFC 3986 section 5.2.4
  EXPECT_EQ(path("/a//../b"), "/b [b]");
  EXPECT_EQ(path("/admin/"), "/admin/ [admin][]");
  EXPECT_EQ(path("/ADMIN"), "/ADMIN [ADMIN]");
  EXPECT_TRUE(is_refused("/.."));
  EXPECT_TRUE(is_refused("/a/../.."));
  EXPECT_TRUE(is_refused("//../a"));
}

TEST(CanonicalPath, P04_DecodesOnce) {
  EXPECT_EQ(path("/%252e%252e/a"), "/%252e%252e/a [%252e%252e][a]");
  EXPECT_EQ(path("/%25%32%66"), "/%252f [%252f]");
  EXPECT_EQ(path("/%7euser/%41%2d%5F"), "/~user/A-_ [~user][A-_]");
  EXPECT_EQ(path("/%3a%3A%2b"), "/%3A%3A%2B [%3A%3A%2B]");
}

TEST(CanonicalPath, P05_RefusesBackslashesControlsAndOverlongForms) {
  for (const char* raw : {"/admin\\..", "/%5c",          "/%5C",    "/%c0%af", "/%C0%80", "/%e0%80%af", "/%f0%80%80%af",
                          "/%ed%a0%80", "/%f4%90%80%80", "/%ff",    "/%80",    "/%c3",    "/%c3x",      "/%c3/%a9",
                          "/%c3%41",    "/%00",          "/%0d%0a", "/%0A",    "/%1f",    "/%7f",       "/%09"}) {
    EXPECT_TRUE(is_refused(raw)) << raw;
  }
  EXPECT_EQ(path("/%c3%a9/%e2%82%ac/%f0%9f%98%80"), "/%C3%A9/%E2%82%AC/%F0%9F%98%80 [%C3%A9][%E2%82%AC][%F0%9F%98%80]");
}

TEST(CanonicalPath, RefusesBrokenEscapesAndForeignCharacters) {
  for (const char* raw : {"/%", "/%4", "/%zz", "/%4g", "/a%2", "/a b", "/\"", "/<", "/>", "/`", "/{a}", "/a?b", "/a#b",
                          "/\xc3\xa9", "/a\tb", "/a\nb", "/\x7f"}) {
    EXPECT_TRUE(is_refused(raw)) << raw;
  }
  EXPECT_TRUE(is_refused(std::string_view("/a\0b", 4)));
}

TEST(CanonicalPath, EscapesWhatBrowsersLeaveAsItIs) { EXPECT_EQ(path("/[a]|^"), "/%5Ba%5D%7C%5E [%5Ba%5D%7C%5E]"); }

TEST(CanonicalPath, P06_TheResultIsItsOwnCanonicalForm) {
  const char* const parts[] = {"/",   "//",  ".",   "..",    ";",   "%2e",    "%2E",       "%2f", "%2F",
                               "%25", "%3b", "a",   "B",     "%41", "%c3%a9", "%e2%82%ac", "|",   "[",
                               "~",   "%7e", "x=1", "%252e", "%20", "-",      "%5c",       "%00"};
  std::mt19937 random(7);
  int accepted = 0;
  for (int i = 0; i < 200'000; ++i) {
    std::string raw = "/";
    for (auto count = random() % 10; count > 0; --count) raw += parts[random() % std::size(parts)];
    Arena arena;
    const auto once = canonicalise_path(raw, arena);
    if (!once) continue;
    ++accepted;
    const auto twice = canonicalise_path(once->path, arena);
    ASSERT_TRUE(twice) << raw << " -> " << once->path << ": " << twice.error().detail;
    ASSERT_EQ(twice->path, once->path) << raw;
    ASSERT_EQ(twice->has_encoded_slash, once->has_encoded_slash) << raw;
    std::string joined;
    for (const std::string_view segment : once->segments) {
      ASSERT_TRUE(segment != "." && segment != "..") << raw;
      joined.append("/").append(segment);
    }
    ASSERT_EQ(joined, once->path) << raw;
    ASSERT_EQ(once->path.find("//"), std::string_view::npos) << raw;
  }
  EXPECT_GT(accepted, 20'000);
}

// `authority host port`, or "refused".
std::string authority(std::string_view raw) {
  Arena arena;
  const auto result = canonicalise_authority(raw, arena);
  if (!result) {
    EXPECT_EQ(result.error().cause, &request_target_refused);
    return "refused";
  }
  return std::string(result->authority) + " " + std::string(result->host) + " " + std::to_string(result->port);
}

TEST(CanonicalAuthority, S16_LowerCasePortSplitTrailingDotDropped) {
  EXPECT_EQ(authority("example.com"), "example.com example.com 0");
  EXPECT_EQ(authority("API.Example.COM:8080"), "api.example.com:8080 api.example.com 8080");
  EXPECT_EQ(authority("example.com."), "example.com example.com 0");
  EXPECT_EQ(authority("Example.com.:443"), "example.com:443 example.com 443");
  EXPECT_EQ(authority("a_b-c~d:1"), "a_b-c~d:1 a_b-c~d 1");
  EXPECT_EQ(authority("localhost:65535"), "localhost:65535 localhost 65535");
  EXPECT_EQ(authority("127.0.0.1:80"), "127.0.0.1:80 127.0.0.1 80");
  EXPECT_EQ(authority("xn--mnchen-3ya.de"), "xn--mnchen-3ya.de xn--mnchen-3ya.de 0");
}

TEST(CanonicalAuthority, S16_Ipv6InItsShortestForm) {
  EXPECT_EQ(authority("[::1]"), "[::1] [::1] 0");
  EXPECT_EQ(authority("[0:0:0:0:0:0:0:1]:8080"), "[::1]:8080 [::1] 8080");
  EXPECT_EQ(authority("[2001:DB8::0:1]"), "[2001:db8::1] [2001:db8::1] 0");
  for (const char* raw : {"[::1", "::1", "[]", "[", "]", "[::1]x", "[::1]:", "[::1]:x", "[::g]", "[fe80::1%25eth0]",
                          "[v1.x]", "[1.2.3.4]", "[0000:0000:0000:0000:0000:0000:0000:0000:0000]"}) {
    EXPECT_EQ(authority(raw), "refused") << raw;
  }
}

TEST(CanonicalAuthority, S16_RefusesWhatHasNoSingleReading) {
  for (const char* raw :
       {"",           ".",         "..",        ":80",      "a,b",  "user@a", "user:pw@a", "@",
        "a/b",        "a#b",       "a?b",       "a b",      "a\\b", "a%41",   "a:",        "a:0",
        "a:00080",    "a:080",     "a:99999",   "a:65536",  "a:-1", "a:+80",  "a:8 0",     "a:80:90",
        "a..b",       ".a",        "a..",       "\xc3\xa9", "a*b",  "a'b",    "127.1",     "2130706433",
        "0177.0.0.1", "256.1.1.1", "1.2.3.4.5", "1.2.3",    "a.1"}) {
    EXPECT_EQ(authority(raw), "refused") << raw;
  }
  EXPECT_EQ(authority(std::string_view("a\0b", 3)), "refused");
  EXPECT_EQ(authority(std::string(255, 'a')).substr(0, 3), "aaa");
  EXPECT_EQ(authority(std::string(256, 'a')), "refused");
}

TEST(CanonicalAuthority, P09_IsItsOwnCanonicalForm) {
  for (const char* raw : {"EXAMPLE.com.", "a:1", "[::FFFF:1.2.3.4]:9", "[1::0:0:2]", "X.Y.Z.:65535"}) {
    Arena arena;
    const auto once = canonicalise_authority(raw, arena);
    ASSERT_TRUE(once) << raw;
    const auto twice = canonicalise_authority(once->authority, arena);
    ASSERT_TRUE(twice) << raw;
    EXPECT_EQ(twice->authority, once->authority);
    EXPECT_EQ(twice->host, once->host);
    EXPECT_EQ(twice->port, once->port);
  }
}

}  // namespace
}  // namespace sluice::http
