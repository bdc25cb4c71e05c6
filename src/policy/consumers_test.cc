#include "policy/consumers.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "policy/fixture_test.h"

namespace sluice::policy {
namespace {

std::string hash_of_key(std::string_view key) { return KeyHash::text_of(digest_of_key(key)); }

TEST(KeyHash, IsWhatSha256SaysOfTheKey) {
  EXPECT_EQ(hash_of_key("abc"), "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(ConsumerTable, FindsThemByNameAndByKey) {
  World world;
  std::string yaml = "consumers:\n";
  for (int i = 0; i < 1000; ++i)
    yaml += "  c" + std::to_string(i) + ": {groups: g" + std::to_string(i % 7) + ", api_keys: ['" +
            hash_of_key("key" + std::to_string(i)) + "', '" + hash_of_key("other" + std::to_string(i)) + "']}\n";
  world.know(yaml);
  const ConsumerTable& table = world.consumers->get();
  EXPECT_EQ(table.size(), 1000u);
  EXPECT_EQ(table.keys(), 2000u);
  for (int i = 0; i < 1000; ++i) {
    const std::string name = "c" + std::to_string(i);
    ASSERT_NE(table.find(name), nullptr);
    EXPECT_EQ(table.find(name)->groups, std::vector<std::string>{"g" + std::to_string(i % 7)});
    EXPECT_EQ(table.find_by_key(digest_of_key("key" + std::to_string(i))), table.find(name));
    EXPECT_EQ(table.find_by_key(digest_of_key("other" + std::to_string(i))), table.find(name));
    EXPECT_EQ(table.find_by_key(digest_of_key("none" + std::to_string(i))), nullptr);
  }
  EXPECT_EQ(table.find("c1000"), nullptr);
}

class ConsumerSourceTest : public ::testing::Test {
 protected:
  ConsumerSourceTest() : folder_(std::filesystem::temp_directory_path() / ("consumers-" + std::to_string(getpid()))) {
    std::filesystem::create_directory(folder_);
  }
  ~ConsumerSourceTest() override { std::filesystem::remove_all(folder_); }
  void write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / ".new") << text;
    std::filesystem::rename(folder_ / ".new", folder_ / name);
  }
  std::shared_ptr<ConsumerSource> open() {
    return ConsumerSource::open({}, {folder_ / "one.yaml", folder_ / "more"}, diagnostics_);
  }
  const std::filesystem::path folder_;
  config::Diagnostics diagnostics_;
};

TEST_F(ConsumerSourceTest, FilesAndFoldersAreOneTableAndChangesAreLive) {
  std::filesystem::create_directory(folder_ / "more");
  write("one.yaml", "consumers: {a: {}}\n");
  write("more/b.yaml", "consumers: {b: {}}\n");
  write("more/c.txt", "not looked at");
  const auto source = open();
  ASSERT_NE(source, nullptr) << diagnostics_.render();
  EXPECT_EQ(source->get().size(), 2u);
  std::shared_ptr<const void> retired;
  EXPECT_EQ(source->refresh(retired), false);
  write("more/d.yaml", "consumers: {d: {}}\n");
  EXPECT_EQ(source->refresh(retired), true);
  EXPECT_NE(retired, nullptr);
  EXPECT_NE(source->get().find("d"), nullptr);
  write("one.yaml", "consumers: {d: {}}\n");
  const auto refused = source->refresh(retired);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().find("error[duplicate_consumer]: consumers.d: there is a consumer 'd' already"),
            std::string::npos)
      << refused.error();
  EXPECT_NE(source->get().find("a"), nullptr) << "what was before stays";
  std::filesystem::remove(folder_ / "more/d.yaml");
  EXPECT_EQ(source->refresh(retired), true);
  EXPECT_EQ(source->get().find("a"), nullptr);
}

TEST_F(ConsumerSourceTest, MistakesHaveTheirPlace) {
  write("one.yaml", "consumers:\n  a: {api_keys: [sha256:12], valid_from: 2027-02-30, grups: [x]}\n");
  EXPECT_EQ(open(), nullptr);
  const std::string said = diagnostics_.render();
  EXPECT_NE(said.find("one.yaml:2:18: error[bad_key_hash]"), std::string::npos) << said;
  EXPECT_EQ(said.find("sha256:12"), std::string::npos) << "it may be the key itself\n" << said;
  EXPECT_NE(said.find("error[bad_moment]"), std::string::npos) << said;
  EXPECT_NE(said.find("did you mean 'groups'"), std::string::npos) << said;
}

TEST_F(ConsumerSourceTest, AFileThatIsNotThereIsAnError) {
  EXPECT_EQ(open(), nullptr);
  EXPECT_NE(diagnostics_.render().find("one.yaml"), std::string::npos);
}

}  // namespace
}  // namespace sluice::policy
