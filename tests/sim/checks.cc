#include "checks.h"

namespace sluice::sim {

// ---- AnswerCheck
// ---------------------------------------------------------------------------------------------------

void AnswerCheck::start(Ledger& ledger, const RequestPlan& plan) {
  *this = {};
  ledger_ = &ledger;
  plan_ = &plan;
}

bool AnswerCheck::has_body() const {
  const int status = ledger_->at(plan_->tag).status;
  return plan_->method != Method::head && status != 204 && status != 304;
}

void AnswerCheck::head(int status, const Head& head) {
  Exchange& it = exchange();
  it.status = status;
  it.answer = Exchange::Answer::cut;  // so far
  bytes_ = 0;
  has_head_ = true;
  problem_.clear();
  const std::string* const tag = head.find("x-tag");
  if (tag == nullptr) return;
  it.is_from_service = true;
  if (*tag != std::to_string(plan_->tag)) ledger_->violate(plan_->tag, "the answer of exchange " + *tag);
  if (status != plan_->status) ledger_->violate(plan_->tag, "status " + std::to_string(status));
  const std::string* const length = head.find("content-length");
  const bool is_announced =
      plan_->method == Method::head && plan_->answer_framing == AnswerFraming::length && status != 204 && status != 304;
  if (is_announced && (length == nullptr || *length != std::to_string(plan_->answer)))
    ledger_->violate(plan_->tag, "HEAD announces another length");
}

void AnswerCheck::body(std::string_view bytes) {
  if (!exchange().is_from_service) {
    problem_ += bytes;
    return;
  }
  const std::size_t offset = bytes_;
  bytes_ += bytes.size();
  if (bytes_ > static_cast<std::size_t>(plan_->answer))
    return ledger_->violate(plan_->tag, "an answer longer than the service's");
  if (bytes != body_of(plan_->tag, Side::answer, offset, bytes.size()))
    ledger_->violate(plan_->tag, "a wrong byte in the answer's body");
}

void AnswerCheck::over() {
  Exchange& it = exchange();
  it.answer = Exchange::Answer::whole;
  if (const std::size_t mark = problem_.find("\"cause\":\""); mark != std::string::npos)
    it.cause = problem_.substr(mark + 9, problem_.find('"', mark + 9) - mark - 9);
  if (it.is_from_service && has_body() && bytes_ != static_cast<std::size_t>(plan_->answer))
    ledger_->violate(plan_->tag, "an answer that looks whole has " + std::to_string(bytes_) + " bytes of " +
                                     std::to_string(plan_->answer));
}

// ---- RequestCheck
// --------------------------------------------------------------------------------------------------

Exchange* RequestCheck::begin(Ledger& ledger, const Head& head, std::string_view method, std::string_view path,
                              std::string_view host) {
  const std::string* const tag = head.find("x-tag");
  ledger_ = &ledger;
  exchange_ = tag != nullptr ? ledger.find(std::atoi(tag->c_str())) : nullptr;
  bytes_ = 0;
  if (exchange_ == nullptr) return nullptr;
  const RequestPlan& plan = *exchange_->plan;
  const std::string wanted = "/r" + std::to_string(plan.route) + "/t" + std::to_string(plan.tag) + '-';
  if (method != method_names[static_cast<std::size_t>(plan.method)] || path != wanted)
    ledger.violate(plan.tag, "another method or path: " + std::string(method) + ' ' + std::string(path));
  if (host != "sim.example") ledger.violate(plan.tag, "another host");
  return exchange_;
}

void RequestCheck::body(std::string_view bytes) {
  const RequestPlan& plan = *exchange_->plan;
  const std::size_t offset = bytes_;
  bytes_ += bytes.size();
  if (bytes_ > static_cast<std::size_t>(plan.body))
    return ledger_->violate(plan.tag, "a request's body longer than the client's");
  if (bytes != body_of(plan.tag, Side::request, offset, bytes.size()))
    ledger_->violate(plan.tag, "a wrong byte in the request's body");
}

void RequestCheck::over() {
  const RequestPlan& plan = *exchange_->plan;
  if (bytes_ != static_cast<std::size_t>(plan.body))
    ledger_->violate(plan.tag, "a request that looks whole has " + std::to_string(bytes_) + " bytes of " +
                                   std::to_string(plan.body));
  ++exchange_->wholes;
}

}  // namespace sluice::sim
