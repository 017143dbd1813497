// Makers of the built-in optimizers, one file each.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "hone/optimize/optimizer.hpp"

#include "optimize/options.hpp"

namespace hone {

std::vector<std::string> optimizer_names();

// Each declares its options on the reader (for help and for faults) and returns the optimizer set
// up with them.
std::unique_ptr<Optimizer> make_labeled_few_shot(OptionReader& options);
std::unique_ptr<Optimizer> make_bootstrap_few_shot(OptionReader& options);
std::unique_ptr<Optimizer> make_bootstrap_random_search(OptionReader& options);
std::unique_ptr<Optimizer> make_bootstrap_tpe(OptionReader& options);
std::unique_ptr<Optimizer> make_knn_few_shot(OptionReader& options);
std::unique_ptr<Optimizer> make_ensemble(OptionReader& options);
std::unique_ptr<Optimizer> make_infer_rules(OptionReader& options);
std::unique_ptr<Optimizer> make_copro(OptionReader& options);
std::unique_ptr<Optimizer> make_mipro(OptionReader& options);
std::unique_ptr<Optimizer> make_simba(OptionReader& options);
std::unique_ptr<Optimizer> make_gepa(OptionReader& options);

}  // namespace hone
