#include "policy/value_template.h"

#include <gmock/gmock.h>

#include "policy/fixture_test.h"

namespace sluice::policy {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string diagnose(std::string_view text) {
  config::Diagnostics diagnostics;
  config::ReadContext context(diagnostics);
  ValueTemplate read;
  (void)ValueTemplate::read(config::Node::scalar(config::Kind::text, true, text, {}), read,
                            context);  // the diagnostics say it
  return diagnostics.render();
}

TEST(ValueTemplate, RendersEveryVariable) {
  Fixture it("PUT", "/users/42/?q=%20", "X-Tag: one\r\nX-Tag: two\r\n");
  it.set_captures({{"id", "42"}});
  it.begin();
  it.exchange.set_id("id-1");
  it.exchange.set_client_scheme(http::Scheme::https);
  const std::pair<const char*, const char*> rendered[] = {
      {"", ""},
      {"plain", "plain"},
      {"{method}", "PUT"},
      {"{scheme}", "https"},
      {"{host}", "a.example"},
      {"{authority}", "a.example"},
      {"{path}", "/users/42/"},
      {"{query}", "q=%20"},
      {"{client.ip}", "192.0.2.7"},
      {"{request.id}", "id-1"},
      {"{route}", "all"},
      {"{listener}", "public"},
      {"{request.header.X-Tag}", "one"},
      {"{request.header.absent}", ""},
      {"{id}", "42"},
      {"a{id}b{host}c", "a42ba.examplec"},
      {"{{{id}}}", "{42}"},
  };
  for (const auto& [text, wanted] : rendered) EXPECT_EQ(ValueTemplate::of(text).render(it.exchange), wanted) << text;
}

TEST(ValueTemplate, SaysWhatIsWrong) {
  const std::pair<const char*, const char*> mistakes[] = {
      {"{", "without its `}`"},
      {"a}", "without its `{`"},
      {"{}", "a variable's name is"},
      {"{a b}", "a variable's name is"},
      {"{client.port}", "there is no such variable"},
      {"{request.header.}", "there is no such variable"},
      {"{request.header.Host}", "the Host is `{host}`"},
      {"{request.header.content-length}", "is not kept"},
      {"a\r\nb", "holds a control character"},
      {"a\x7f", "holds a control character"},
  };
  for (const auto& [text, told] : mistakes) {
    EXPECT_THAT(diagnose(text), HasSubstr("error[bad_template]")) << text;
    EXPECT_THAT(diagnose(text), HasSubstr(told)) << text;
  }
  EXPECT_EQ(diagnose("a\tb"), "");
}

TEST(ValueTemplate, DeclaresItsCaptures) {
  CompileContext context = some_world().context();
  ValueTemplate::of("{id}/{host}/{name}").declare(context);
  std::vector<std::string> names;
  for (const auto& use : context.captures()) names.push_back(use.name);
  EXPECT_THAT(names, ElementsAre("id", "name"));
}

TEST(ValueTemplate, ShowsItselfWithStandIns) {
  EXPECT_EQ(ValueTemplate::of("/a/{id}/{{b}}").sample("x"), "/a/x/{b}");
  EXPECT_TRUE(ValueTemplate::of("a{{b}}").is_constant());
  EXPECT_FALSE(ValueTemplate::of("a{b}").is_constant());
}

TEST(ValueTemplate, EveryVariableItListsIsOne) {
  for (const std::string_view name : ValueTemplate::variables()) {
    CompileContext context = some_world().context();
    ValueTemplate::of("{" + std::string(name) + "}").declare(context);
    EXPECT_TRUE(context.captures().empty()) << name;
  }
}

}  // namespace
}  // namespace sluice::policy
