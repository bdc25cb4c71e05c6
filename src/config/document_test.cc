#include "config/document.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace sluice::config {
namespace {

std::string codes(const Diagnostics& diagnostics) {
  std::string out;
  for (const Diagnostic& d : diagnostics.all()) out += (out.empty() ? "" : " ") + d.code;
  return out;
}

// The codes of what is wrong with one text.
std::string wrong_with(std::string text) {
  Diagnostics diagnostics;
  (void)parse(std::move(text), "g.yaml", diagnostics);
  return codes(diagnostics);
}

Kind kind_of(const std::string& scalar) {
  Diagnostics diagnostics;
  const auto document = parse("k: " + scalar, "g.yaml", diagnostics);
  return document && document->root().find("k") ? document->root().find("k")->kind() : Kind::map;
}

TEST(Document, KnowsWhereEverythingStands) {
  Diagnostics diagnostics;
  const auto document = parse("a: 1\nlist:\n  - x\n  - {b: 'two', c: [3, 4]}\n", "g.yaml", diagnostics);
  ASSERT_TRUE(document);
  EXPECT_TRUE(diagnostics.is_empty());
  const Node& list = *document->root().find("list");
  ASSERT_EQ(list.items().size(), 2u);
  EXPECT_EQ(list.items()[0].place(), (Place{3, 5, 0, 1}));
  const Node& map = list.items()[1];
  EXPECT_EQ(map.place(), (Place{4, 5, 0, 21}));
  EXPECT_EQ(map.entries()[0].value.place(), (Place{4, 9, 0, 5}));
  EXPECT_TRUE(map.entries()[0].value.is_quoted());
  EXPECT_EQ(map.find("c")->items()[1].text(), "4");
  EXPECT_EQ(map.find("d"), nullptr);
}

TEST(Document, TellsPlainScalarsApartByTheCoreSchema) {
  for (const char* text : {"~", "null", "Null", "NULL", ""}) EXPECT_EQ(kind_of(text), Kind::null) << text;
  for (const char* text : {"true", "True", "TRUE", "false"}) EXPECT_EQ(kind_of(text), Kind::boolean) << text;
  for (const char* text : {"0", "-1", "+12", "0x1F", "0o17"}) EXPECT_EQ(kind_of(text), Kind::integer) << text;
  for (const char* text : {"1.5", "-.5", "1.", "1e3", "1.5E-3", ".inf", "-.INF", ".nan"})
    EXPECT_EQ(kind_of(text), Kind::real) << text;
  for (const char* text : {"yes", "on",    "no",     "0777",     "00.5",       "1_000", "0x", "0b1", ".",  "1.2.3",
                           "5s",  "\"5\"", "'null'", "12:30:45", "2001-01-01", "1e",    "e3", "+",   "-.", "nan"})
    EXPECT_EQ(kind_of(text), Kind::text) << text;
}

TEST(Document, ReadsJson) {
  Diagnostics diagnostics;
  const auto document = parse("{\"a\": [1, true, null, \"x\\u0041\"], \"b\": {}}", "g.json", diagnostics);
  ASSERT_TRUE(document);
  EXPECT_TRUE(diagnostics.is_empty()) << diagnostics.render();
  EXPECT_EQ(document->root().find("a")->items()[3].text(), "xA");
}

TEST(Document, EmptyFilesAreEmptyMaps) {
  for (const char* text : {"", "# only this\n", "---\n", "\xef\xbb\xbf", "null\n"}) {
    Diagnostics diagnostics;
    const auto document = parse(text, "g.yaml", diagnostics);
    ASSERT_TRUE(document) << text;
    EXPECT_TRUE(document->is_empty());
    EXPECT_TRUE(document->root().is_map());
    EXPECT_TRUE(diagnostics.is_empty());
  }
}

TEST(Document, FollowsAliases) {
  Diagnostics diagnostics;
  const auto document = parse("a: &x {k: v}\nb: *x\nc: [*x, *x]\n&n d: *n\n", "g.yaml", diagnostics);
  ASSERT_TRUE(document) << diagnostics.render();
  EXPECT_EQ(document->root().find("b")->find("k")->text(), "v");
  EXPECT_EQ(document->root().find("c")->items()[1].find("k")->text(), "v");
  EXPECT_EQ(document->root().find("d")->text(), "d");
}

TEST(Document, StopsAnAliasBomb) {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string last = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + last;
    for (int j = 1; j < 10; ++j) text += ", " + last;
    text += "]\n";
  }
  EXPECT_EQ(wrong_with(text), "too_many_nodes");
}

TEST(Document, StopsDepthHoweverItIsMade) {
  EXPECT_EQ(wrong_with(std::string(1'000'000, '[')), "too_deep");
  std::string blocks, braces, chain = "a0: &a0 [x]\n";
  for (int i = 0; i < 300; ++i) {
    blocks += "- ";
    braces += "{a: ";
    chain += "a" + std::to_string(i + 1) + ": &a" + std::to_string(i + 1) + " [*a" + std::to_string(i) + "]\n";
  }
  EXPECT_EQ(wrong_with(blocks), "too_deep");
  EXPECT_EQ(wrong_with(braces), "too_deep");
  EXPECT_EQ(wrong_with(chain), "too_deep");
  EXPECT_EQ(wrong_with(std::string(max_depth, '[') + std::string(max_depth, ']')), "");
  EXPECT_EQ(wrong_with(std::string(max_depth + 1, '[') + std::string(max_depth + 1, ']')), "too_deep");
}

TEST(Document, RefusesBytesThatAreNoText) {
  EXPECT_EQ(wrong_with("a: \xff\n"), "not_utf8");
  EXPECT_EQ(wrong_with("\xff\xfe"
                       "a\0"),
            "not_utf8");
  EXPECT_EQ(wrong_with("a: \xed\xa0\x80\n"), "not_utf8");
  EXPECT_EQ(wrong_with(std::string("a: b\0c\n", 7)), "nul_byte");
  EXPECT_EQ(wrong_with("a: b\x1b[31m\n"), "control_character");
  EXPECT_EQ(wrong_with("a: b\x7f\n"), "control_character");
  EXPECT_EQ(wrong_with("a: gr\xc3\xbc\xc3\x9f\n"), "");
}

TEST(Document, CountsLinesAndCharactersBeforeABadByte) {
  Diagnostics diagnostics;
  (void)parse("a: \xc3\xbc\r\nb: 1\rc: \xc3\xbc\xff\n", "g.yaml", diagnostics);
  ASSERT_EQ(diagnostics.error_count(), 1u);
  EXPECT_EQ(diagnostics.all()[0].place, (Place{3, 5, 0, 1}));
  EXPECT_EQ(diagnostics.render(),
            "g.yaml:3:5: error[not_utf8]: byte 0xff is not UTF-8\n    3 | c: \xc3\xbc\\xff\n      |     ^~~~\n"
            "   help: save the file as UTF-8\n");
}

TEST(Document, FindsDuplicatesAmongManyKeys) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "k" + std::to_string(i) + ": 1\n";
  EXPECT_EQ(wrong_with(text), "");
  EXPECT_EQ(wrong_with(text + "k500: 2\nk7: 3\nk7: 4\n"), "duplicate_key duplicate_key duplicate_key");
}

TEST(Document, LimitsTheFile) {
  EXPECT_EQ(wrong_with(std::string(max_file_bytes, '#')), "");
  EXPECT_EQ(wrong_with(std::string(max_file_bytes + 1, '#')), "file_too_large");
}

TEST(Document, ReadsFiftyThousandRoutes) {
  std::string text = "routes:\n";
  for (int i = 0; i < 50'000; ++i) {
    const std::string n = std::to_string(i);
    text += "  - name: r" + n + "\n    match: {host: h" + n + ".example.com, path: \"/v1/users/" + n +
            "/*\"}\n    to: users\n";
  }
  Diagnostics diagnostics;
  const auto document = parse(std::move(text), "g.yaml", diagnostics);
  ASSERT_TRUE(document);
  EXPECT_EQ(document->root().find("routes")->items().size(), 50'000u);
  EXPECT_EQ(document->root().find("routes")->items()[49'999].find("name")->text(), "r49999");
}

class LoadFile : public testing::Test {
 protected:
  LoadFile() {
    std::string name = (std::filesystem::temp_directory_path() / "sluice_config_XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~LoadFile() override { std::filesystem::remove_all(folder_); }
  std::string load(const std::filesystem::path& path) {
    Diagnostics diagnostics;
    is_loaded_ = load_file(path.string(), diagnostics).has_value();
    return codes(diagnostics);
  }
  std::filesystem::path folder_;
  bool is_loaded_ = false;
};

TEST_F(LoadFile, SaysWhyItCannot) {
  EXPECT_EQ(load(folder_ / "absent.yaml"), "no_such_file");
  EXPECT_EQ(load(folder_), "not_a_file");
  ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(load(folder_ / "pipe"), "not_a_file");
  EXPECT_EQ(load("/dev/zero"), "not_a_file");
  std::ofstream(folder_ / "large.yaml").close();
  std::filesystem::resize_file(folder_ / "large.yaml", max_file_bytes + 1);
  EXPECT_EQ(load(folder_ / "large.yaml"), "file_too_large");
  std::ofstream(folder_ / "closed.yaml") << "a: 1\n";
  ASSERT_EQ(::chmod((folder_ / "closed.yaml").c_str(), 0), 0);
  EXPECT_EQ(load(folder_ / "closed.yaml"), ::geteuid() == 0 ? "" : "unreadable_file");
}

TEST_F(LoadFile, ReadsARegularFile) {
  std::ofstream(folder_ / "good.yaml") << "a: 1\n";
  EXPECT_EQ(load(folder_ / "good.yaml"), "");
  EXPECT_TRUE(is_loaded_);
  std::ofstream(folder_ / "empty.yaml").close();
  EXPECT_EQ(load(folder_ / "empty.yaml"), "");
  EXPECT_TRUE(is_loaded_);
}

TEST_F(LoadFile, NamesTheRemedy) {
  Diagnostics diagnostics;
  EXPECT_FALSE(load_file("/nowhere/gateway.yaml", diagnostics));
  EXPECT_EQ(diagnostics.render(),
            "/nowhere/gateway.yaml: error[no_such_file]: there is no such file\n"
            "   help: check the path, or write the file first\n");
}

}  // namespace
}  // namespace sluice::config
