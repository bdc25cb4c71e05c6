#include "net/tls/certificate.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <ctime>
#include <filesystem>
#include <fstream>

#include "net/tls/certificate_fixture.h"
#include "net/tls/certificate_store.h"
#include "net/tls/certificate_table.h"
#include "net/tls/ticket_keys.h"

namespace sluice::net::tls {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::make_certificate;
using testing::make_pem;
using testing::Wish;

std::string fault_of(const std::string& certificate, const std::string& key) {
  const auto made = Certificate::parse({"c", "k"}, certificate, key, std::time(nullptr));
  return made ? "" : (made.error().is_of_key ? "key " : "certificate ") + made.error().what;
}

class EachKeyType : public ::testing::TestWithParam<KeyType> {};
INSTANTIATE_TEST_SUITE_P(All, EachKeyType, ::testing::Values(KeyType::ecdsa, KeyType::rsa, KeyType::ed25519),
                         [](const auto& info) { return std::string(key_type_name(info.param)); });

TEST_P(EachKeyType, IsReadAndOpened) {
  const auto made = make_certificate({.names = {"A.Example", "*.b.example"}, .type = GetParam()});
  EXPECT_EQ(made->key_type(), GetParam());
  EXPECT_THAT(made->names(), ElementsAre("a.example", "*.b.example"));
  EXPECT_NEAR(static_cast<double>(made->expires_at()), static_cast<double>(std::time(nullptr) + 30 * 86'400), 5);
  EXPECT_TRUE(made->open());
}

TEST_P(EachKeyType, AKeyOfAnotherIsRefused) {
  const auto one = make_pem({.type = GetParam()}), other = make_pem({.type = GetParam()});
  EXPECT_EQ(fault_of(one.certificate, other.key), "key is not the key of the certificate");
  const auto rsa_or_ecdsa = make_pem({.type = GetParam() == KeyType::rsa ? KeyType::ecdsa : KeyType::rsa});
  EXPECT_EQ(fault_of(one.certificate, rsa_or_ecdsa.key), "key is not the key of the certificate");
}

TEST(Certificate, WhatCannotServeIsRefusedWithItsReason) {
  const auto good = make_pem();
  EXPECT_EQ(fault_of(good.certificate, good.key), "");
  EXPECT_THAT(fault_of(good.certificate, "nonsense"), HasSubstr("key holds no private key in PEM form"));
  EXPECT_THAT(fault_of(good.key, good.key), HasSubstr("certificate holds no certificate in PEM form"));
  EXPECT_THAT(fault_of("", good.key), HasSubstr("certificate holds no certificate"));
  const auto old = make_pem({.valid_from_s = -7200, .valid_to_s = -60});
  EXPECT_THAT(fault_of(old.certificate, old.key), HasSubstr("certificate expired at 20"));
  const auto future = make_pem({.valid_from_s = 7200});
  EXPECT_THAT(fault_of(future.certificate, future.key), HasSubstr("certificate is not valid before 20"));
  const auto weak = make_pem({.type = KeyType::rsa, .rsa_bits = 1024});
  EXPECT_THAT(fault_of(weak.certificate, weak.key), HasSubstr("less than 2048 bits"));
  const auto odd = make_pem({.curve = "secp256k1"});
  EXPECT_THAT(fault_of(odd.certificate, odd.key), HasSubstr("another curve"));
}

TEST(Certificate, WithoutAlternativeNamesTheCommonNameCounts) {
  EXPECT_THAT(make_certificate({.names = {"old.example"}, .has_san = false})->names(), ElementsAre("old.example"));
}

// Whatever bytes stand in the file: no crash, and nothing but a refusal or a certificate.
TEST(Certificate, EveryCutAndEveryChangedByteIsSurvived) {
  const auto good = make_pem();
  for (std::size_t size = 0; size < good.certificate.size(); size += 3)
    (void)fault_of(good.certificate.substr(0, size), good.key);
  BIO* const source = BIO_new_mem_buf(good.certificate.data(), -1);
  char *label = nullptr, *header = nullptr;
  unsigned char* bytes = nullptr;
  long size = 0;
  ASSERT_EQ(PEM_read_bio(source, &label, &header, &bytes, &size), 1);
  std::string der(reinterpret_cast<char*>(bytes), static_cast<std::size_t>(size));
  for (std::size_t at = 0; at < der.size(); ++at) {
    for (const int change : {0x01, 0x80, 0xff}) {
      std::string broken = der;
      broken[at] = static_cast<char>(broken[at] ^ change);
      (void)read_certificate(broken);
      (void)find_public_key(broken, KeyType::ecdsa);
    }
    (void)read_certificate(der.substr(0, at));
  }
  OPENSSL_free(label);
  OPENSSL_free(header);
  OPENSSL_free(bytes);
  BIO_free(source);
}

TEST(CertificateTable, ExactBeforeWildcardBeforeFirst) {
  const auto first = make_certificate({.names = {"first.example"}});
  const auto wild = make_certificate({.names = {"*.w.example"}});
  const auto exact = make_certificate({.names = {"x.w.example"}});
  const CertificateTable table({first, wild, exact});
  const auto ecdsa = [&](const char* name) { return table.find(name)[static_cast<std::size_t>(KeyType::ecdsa)]; };
  EXPECT_EQ(ecdsa("x.w.example"), exact.get());
  EXPECT_EQ(ecdsa("y.w.example"), wild.get());
  for (const char* const other : {"z.y.w.example", "w.example", "", ".", "unknown", ".w.example", "*"})
    EXPECT_EQ(ecdsa(other), first.get()) << other;
}

TEST(CertificateTable, OneNameMayHaveEachTypeOfKey) {
  const auto ecdsa = make_certificate(), rsa = make_certificate({.type = KeyType::rsa}), second = make_certificate();
  const CertificateTable table({ecdsa, rsa, second});
  for (const char* const name : {"a.example", ""}) {
    EXPECT_EQ(table.find(name)[static_cast<std::size_t>(KeyType::ecdsa)], ecdsa.get());
    EXPECT_EQ(table.find(name)[static_cast<std::size_t>(KeyType::rsa)], rsa.get());
    EXPECT_EQ(table.find(name)[static_cast<std::size_t>(KeyType::ed25519)], nullptr);
  }
}

class CertificateStoreTest : public ::testing::Test {
 protected:
  CertificateStoreTest()
      : folder_(std::filesystem::temp_directory_path() / ("certificates-" + std::to_string(getpid()))) {
    std::filesystem::create_directory(folder_);
  }
  ~CertificateStoreTest() override { std::filesystem::remove_all(folder_); }
  void write(const char* name, const std::string& text, int mode = 0600) const {
    std::filesystem::remove(folder_ / name);
    std::ofstream(folder_ / name) << text;
    ::chmod((folder_ / name).c_str(), static_cast<mode_t>(mode));
  }
  CertificateFiles files() const { return {folder_ / "c.pem", folder_ / "k.pem"}; }
  auto load(CertificateUse use = CertificateUse::server) { return store_.load(files(), use, std::time(nullptr)); }
  std::string fault() {
    const auto made = load();
    return made ? "" : made.error().what;
  }

  const std::filesystem::path folder_;
  CertificateStore store_;
};

TEST_F(CertificateStoreTest, AnUnchangedFileIsNotReadAgain) {
  const auto pem = make_pem();
  write("c.pem", pem.certificate);
  write("k.pem", pem.key);
  const auto first = load();
  ASSERT_TRUE(first);
  EXPECT_EQ(*load(), *first);
  const auto other = make_pem();
  write("c.pem", other.certificate);
  EXPECT_EQ(fault(), "is not the key of the certificate");
  write("k.pem", other.key);
  const auto second = load();
  ASSERT_TRUE(second);
  EXPECT_NE(*second, *first);
}

TEST_F(CertificateStoreTest, FilesMustBeReadableAndKeysPrivate) {
  EXPECT_THAT(fault(), HasSubstr("No such file"));
  const auto pem = make_pem();
  write("c.pem", pem.certificate, 0644);
  write("k.pem", pem.key, 0644);
  EXPECT_THAT(fault(), HasSubstr("can be read by everybody"));
  write("k.pem", pem.key, 0640);
  EXPECT_EQ(fault(), "");
  write("c.pem", std::string(CertificateStore::most_file_bytes + 70'000, 'x'));
  EXPECT_THAT(fault(), HasSubstr("File too large"));
}

TEST_F(CertificateStoreTest, AServersMustNameAHostAndAClientsNeedNot) {
  const auto beside = make_pem({.names = {"a b"}, .subject = "a.example"});  // clients would not look at the subject
  const auto nameless = make_pem({.names = {"a b"}, .has_san = false});
  for (const auto& pem : {beside, nameless}) {
    write("c.pem", pem.certificate);
    write("k.pem", pem.key);
    EXPECT_EQ(fault(), "names no host");
    const auto as_client = load(CertificateUse::client);
    ASSERT_TRUE(as_client);
    EXPECT_EQ((*as_client)->name(), files().certificate);
    EXPECT_EQ(fault(), "names no host");  // also when it is known
  }
}

TEST_F(CertificateStoreTest, AnExpiredOneIsTakenOnlyWhereItRanBefore) {
  const auto pem = make_pem({.valid_from_s = -7200, .valid_to_s = -60});
  write("c.pem", pem.certificate);
  write("k.pem", pem.key);
  EXPECT_THAT(fault(), HasSubstr("expired at"));
  store_.accept_expired(true);
  const auto served = load();
  ASSERT_TRUE(served);
  store_.accept_expired(false);
  EXPECT_EQ(*load(), *served);  // it is in service already
}

TEST(TicketKeys, OldOnesAreKnownForTwoRotations) {
  TicketKeys keys;
  const TicketKey first = keys.list()->current();
  keys.rotate();
  EXPECT_NE(keys.list()->current().name, first.name);
  ASSERT_NE(keys.list()->find(first.name.data()), nullptr);
  EXPECT_EQ(keys.list()->find(first.name.data())->encryption, first.encryption);
  keys.rotate();
  EXPECT_NE(keys.list()->find(first.name.data()), nullptr);
  keys.rotate();
  EXPECT_EQ(keys.list()->find(first.name.data()), nullptr);
}

TEST(TicketKeys, AFileHasThemOneAfterAnother) {
  std::string bytes;
  for (int key = 0; key < 16; ++key)
    bytes += std::string(16, static_cast<char>('a' + key)) + 'x' + std::string(31, '1') + std::string(31, '2') + 'x';
  const auto keys = TicketKeys::parse(bytes);
  ASSERT_TRUE(keys) << keys.error();
  EXPECT_EQ((*keys)->keys().size(), TicketKeys::most_in_file);
  EXPECT_EQ((*keys)->current().name[0], 'a');
  EXPECT_EQ((*keys)->current().authentication[31], '1');
  EXPECT_EQ((*keys)->current().encryption[0], '2');
  EXPECT_EQ((*keys)->find(reinterpret_cast<const unsigned char*>("cccccccccccccccc")), &(*keys)->keys()[2]);
  EXPECT_EQ((*keys)->find(reinterpret_cast<const unsigned char*>("zzzzzzzzzzzzzzzz")), nullptr);
  EXPECT_EQ(**keys, **TicketKeys::parse(bytes));
  EXPECT_NE(**keys, **TicketKeys::parse(bytes.substr(80)));
}

TEST(TicketKeys, WhatAFileMayNotHold) {
  const std::string key = std::string(16, 'n') + 'x' + std::string(62, 'k') + 'x';
  EXPECT_THAT(TicketKeys::parse("").error(), HasSubstr("holds 0 bytes"));
  EXPECT_THAT(TicketKeys::parse(key.substr(1)).error(), HasSubstr("holds 79 bytes, which is no multiple of 80"));
  EXPECT_THAT(TicketKeys::parse(key + "\n").error(), HasSubstr("holds 81 bytes"));
  EXPECT_THAT(TicketKeys::parse(key + key).error(), HasSubstr("two keys of the same name"));
  EXPECT_THAT(TicketKeys::parse(std::string(80, '\0')).error(), HasSubstr("holds a key that is not random"));
  EXPECT_THAT(TicketKeys::parse(key.substr(0, 48) + std::string(32, 'k')).error(), HasSubstr("that is not random"));
  std::string many;
  for (int i = 0; i < 17; ++i) many += std::string(80, static_cast<char>('a' + i));
  EXPECT_THAT(TicketKeys::parse(many).error(), HasSubstr("holds 17 keys, more than 16"));
}

}  // namespace
}  // namespace sluice::net::tls
