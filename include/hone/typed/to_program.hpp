// Plain structs of typed predictors as programs.
#pragma once

#include <concepts>
#include <cstddef>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <boost/pfr.hpp>

#include "hone/base/result.hpp"
#include "hone/core/signature.hpp"
#include "hone/program/program.hpp"
#include "hone/typed/predict.hpp"

namespace hone {
namespace internal {

// In and Out of `Out operator()(Call&, const In&) const`.
template <class F>
struct CallSignature : std::false_type {};
template <class T, class O, class I>
struct CallSignature<O (T::*)(Call&, I) const> : std::true_type {
  using In = std::remove_cvref_t<I>;
  using Out = std::remove_cvref_t<O>;
};
template <class T, class O, class I>
struct CallSignature<O (T::*)(Call&, I) const noexcept> : CallSignature<O (T::*)(Call&, I) const> {
};

template <class T>
concept HasOneCall = requires { &T::operator(); };

template <class T>
concept IsStep = requires(T step, const T& constant, Predictor predictor) {
  { constant.predictor() } -> std::same_as<const Predictor&>;
  step.set_predictor(predictor);
};

// A member that is itself a program, as opposed to a number or a helper object.
template <class T>
concept IsPart = !IsStep<T> && PlainStruct<T> && HasOneCall<T>;

// Calls visit(step, path) for every typed predictor inside, in the order of the members.
template <class T, class Visit>
void visit_steps(T& program, const std::string& prefix, const Visit& visit) {
  using Plain = std::remove_const_t<T>;
  constexpr auto names = boost::pfr::names_as_array<Plain>();
  boost::pfr::for_each_field(program, [&](auto& member, std::size_t i) {
    using Member = std::remove_cvref_t<decltype(member)>;
    const std::string path = prefix + std::string(names[i]);
    if constexpr (IsStep<Member>) {
      visit(member, path);
    } else if constexpr (IsPart<Member>) {
      visit_steps(member, path + ".", visit);
    }
  });
}

template <class T>
class TypedModule final : public Module {
 public:
  using In = typename CallSignature<decltype(&T::operator())>::In;
  using Out = typename CallSignature<decltype(&T::operator())>::Out;

  explicit TypedModule(T program)
      : program_(std::move(program)),
        signature_(
            Signature::make(members_of<Field, In>(), members_of<Field, Out>(), instructions_of<T>())
                .value()) {
    visit_steps(program_, {}, [](auto& step, const std::string& path) {
      step.set_predictor(step.predictor().with_path(path));
    });
  }

  const Signature& signature() const override { return signature_; }

  Value forward(Call& call, const Value& inputs) const override {
    return to_value(program_(call, from_value<In>(inputs).value()));
  }

  std::vector<Predictor> predictors() const override {
    std::vector<Predictor> out;
    visit_steps(program_, {},
                [&](const auto& step, const std::string&) { out.push_back(step.predictor()); });
    return out;
  }

  Result<std::shared_ptr<const Module>> with(const Candidate& candidate) const override {
    T copy = program_;
    Result<void> fits;
    visit_steps(copy, {}, [&](auto& step, const std::string&) {
      Result<Predictor> tuned = step.predictor().with(candidate);
      if (tuned) {
        step.set_predictor(*std::move(tuned));
      } else if (fits) {
        fits = tuned.error();
      }
    });
    if (!fits) return fits.error();
    return std::make_shared<const TypedModule>(std::move(copy));
  }

 private:
  T program_;
  Signature signature_;
};

}  // namespace internal

// A program from a plain struct: members are Predict<…>, ChainOfThought<…> or structs of the same
// kind (anything else is left alone), and `Out operator()(Call&, const In&) const` is the control
// flow. A predictor's path is the name of its member, "answer" or "inner.answer". Cost: one copy of
// the struct, again for every Program::with.
template <class T>
Program to_program(T program) {
  static_assert(
      internal::PlainStruct<T>,
      "a program is a plain struct: no constructors, no base classes, no private members");
  static_assert(internal::HasOneCall<T>,
                "a program needs one member `Out operator()(hone::Call&, const In&) const`");
  if constexpr (internal::PlainStruct<T> && internal::HasOneCall<T>) {
    using Shape = internal::CallSignature<decltype(&T::operator())>;
    static_assert(Shape::value,
                  "a program's operator() must read `Out operator()(hone::Call&, const In&) "
                  "const`: two arguments, const");
    if constexpr (Shape::value) {
      static_assert(
          internal::PlainStruct<typename Shape::In> && internal::PlainStruct<typename Shape::Out>,
          "what a program takes and gives must be plain structs, such as a signature's In and Out");
      return Program(std::make_shared<const internal::TypedModule<T>>(std::move(program)));
    }
  }
}

}  // namespace hone
