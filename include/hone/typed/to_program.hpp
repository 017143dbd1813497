// Plain structs of typed predictors as programs.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <boost/pfr.hpp>

#include "hone/base/result.hpp"
#include "hone/core/param.hpp"
#include "hone/core/signature.hpp"
#include "hone/program/program.hpp"
#include "hone/typed/call_shape.hpp"
#include "hone/typed/predict.hpp"

namespace hone {
namespace internal {

// A member that is itself a program, as opposed to a number or a helper object.
template <class T>
concept IsPart = !IsStep<T> && !IsChoice<T> && PlainStruct<T> && HasOneCall<T>;

// What a step holds: its predictor, or for a retrieve step itself.
template <IsStep T>
const Predictor& held_by(const T& step) {
  return step.predictor();
}
inline const Retrieve& held_by(const Retrieve& step) {
  return step;
}
template <IsStep T>
void hold(T& step, Predictor predictor) {
  step.set_predictor(std::move(predictor));
}
inline void hold(Retrieve& step, Retrieve next) {
  step = std::move(next);
}

// Calls on_choice(choice, path, condition) for every Alternatives<…> inside and on_step(step, path,
// condition) for every typed predictor and retrieve step, in the order of the members; the
// condition is that of the innermost choice around it.
template <class T, class OnStep, class OnChoice>
void visit_part(T& part, const std::string& path, const std::optional<Condition>& condition,
                const OnStep& on_step, const OnChoice& on_choice) {
  using Plain = std::remove_const_t<T>;
  if constexpr (IsStep<Plain> || std::is_same_v<Plain, Retrieve>) {
    on_step(part, path, condition);
  } else if constexpr (IsChoice<Plain>) {
    on_choice(part, path, condition);
    const std::vector<std::string> names = Plain::names();
    part.for_each([&](auto& option, std::size_t i) {
      visit_part(option, path + "." + names[i], Condition{path + ".choice", names[i]}, on_step,
                 on_choice);
    });
  } else if constexpr (IsPart<Plain>) {
    constexpr auto names = boost::pfr::names_as_array<Plain>();
    boost::pfr::for_each_field(part, [&](auto& member, std::size_t i) {
      visit_part(member, (path.empty() ? path : path + ".") + std::string(names[i]), condition,
                 on_step, on_choice);
    });
  }
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
    const auto ignore = [](const auto&...) {};
    visit_part(
        program_, {}, {},
        [](auto& step, const std::string& path, const auto&) {
          hold(step, held_by(step).with_path(path));
        },
        ignore);
  }

  const Signature& signature() const override { return signature_; }
  const T& program() const { return program_; }

  Value forward(Call& call, const Value& inputs) const override {
    return to_value(program_(call, from_value<In>(inputs).value()));
  }

  std::vector<Predictor> predictors() const override { return held<Predictor>(); }
  std::vector<Retrieve> retrieve_steps() const override { return held<Retrieve>(); }

  std::vector<Param> params() const override {
    std::vector<Param> out;
    visit_part(
        program_, {}, {},
        [&](const auto& step, const std::string&, const std::optional<Condition>& condition) {
          for (Param& param : held_by(step).params()) {
            param.condition = condition;
            out.push_back(std::move(param));
          }
        },
        [&](const auto& choice, const std::string& path,
            const std::optional<Condition>& condition) {
          const std::vector<std::string> names = choice.names();
          out.push_back({path + ".choice", ChoiceDomain{{names.begin(), names.end()}},
                         names[choice.chosen()], condition});
        });
    return out;
  }

  // Precondition: values lie in their domains, as Program::with sees to.
  Result<std::shared_ptr<const Module>> with(const Candidate& candidate) const override {
    T copy = program_;
    Result<void> fits;
    visit_part(
        copy, {}, {},
        [&](auto& step, const auto&...) {
          auto tuned = held_by(step).with(candidate);
          if (tuned) {
            hold(step, *std::move(tuned));
          } else if (fits) {
            fits = tuned.error();
          }
        },
        [&](auto& choice, const std::string& path, const auto&) {
          const Value* name = candidate.find(path + ".choice");
          if (!name) return;
          const std::vector<std::string> names = choice.names();
          const auto found = std::find(names.begin(), names.end(), name->text());
          choice.choose(static_cast<std::size_t>(found - names.begin()));
        });
    if (!fits) return fits.error();
    return std::make_shared<const TypedModule>(std::move(copy));
  }

 private:
  // Everything of one kind that steps hold.
  template <class Held>
  std::vector<Held> held() const {
    std::vector<Held> out;
    const auto ignore = [](const auto&...) {};
    visit_part(
        program_, {}, {},
        [&](const auto& step, const auto&...) {
          if constexpr (std::is_same_v<std::remove_cvref_t<decltype(held_by(step))>, Held>)
            out.push_back(held_by(step));
        },
        ignore);
    return out;
  }

  T program_;
  Signature signature_;
};

}  // namespace internal

// A program from a plain struct: members are Predict<…>, ChainOfThought<…>, Retrieve,
// Alternatives<…> or structs of the same kind (anything else is left alone), and `Out
// operator()(Call&, const In&) const` is the control flow. A step's path is the name of its member,
// "answer" or "inner.answer". Cost: one copy of the struct, again for every Program::with.
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

// The struct again, to be called with its own types, with what an optimizer or a file
// (load_program_into) has put into its steps. bad_request where the program was made of something
// else, as an ensemble is. Cost: one copy of the struct.
template <class T>
Result<T> from_program(const Program& program) {
  const auto* module = dynamic_cast<const internal::TypedModule<T>*>(&program.module());
  if (!module) return bad_request("program", "is not one that to_program made of this struct");
  return module->program();
}

}  // namespace hone
