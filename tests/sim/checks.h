#pragma once
// What clients check of an answer, and services of a request, whatever protocol it came by.

#include <string>
#include <string_view>

#include "ledger.h"
#include "message.h"

namespace sluice::sim {

class AnswerCheck {
 public:
  void start(Ledger& ledger, const RequestPlan& plan);
  void head(int status, const Head& head);  // the final one
  void body(std::string_view bytes);
  void over();  // it is whole
  bool has_head() const { return has_head_; }
  bool has_body() const;

 private:
  Exchange& exchange() { return ledger_->at(plan_->tag); }

  Ledger* ledger_ = nullptr;
  const RequestPlan* plan_ = nullptr;
  std::size_t bytes_ = 0;
  std::string problem_;  // the body of an answer of the gateway's own
  bool has_head_ = false;
};

class RequestCheck {
 public:
  // Null: it is nobody's. Counts it as one that came.
  Exchange* begin(Ledger& ledger, const Head& head, std::string_view method, std::string_view path,
                  std::string_view host);
  void body(std::string_view bytes);
  void over();  // it is whole
  std::size_t bytes() const { return bytes_; }

 private:
  Ledger* ledger_ = nullptr;
  Exchange* exchange_ = nullptr;
  std::size_t bytes_ = 0;
};

}  // namespace sluice::sim
