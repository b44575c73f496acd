/** Services that speak Chat Completions and are in the catalogue: one more is one more line. Each is ready as soon as its key is there. */
import type { EndpointRow } from "./contract.ts"

export const SERVICES: readonly EndpointRow[] = [
  { id: "baseten", name: "Baseten", url: "https://inference.baseten.co/v1", env: ["BASETEN_API_KEY"], page: "https://app.baseten.co/settings/api_keys" },
  { id: "cerebras", name: "Cerebras", url: "https://api.cerebras.ai/v1", env: ["CEREBRAS_API_KEY"], page: "https://cloud.cerebras.ai" },
  { id: "deepseek", name: "DeepSeek", url: "https://api.deepseek.com/v1", env: ["DEEPSEEK_API_KEY"], page: "https://platform.deepseek.com/api_keys" },
  { id: "fireworks", name: "Fireworks AI", url: "https://api.fireworks.ai/inference/v1", env: ["FIREWORKS_API_KEY"], page: "https://fireworks.ai/account/api-keys" },
  { id: "huggingface", name: "Hugging Face", url: "https://router.huggingface.co/v1", env: ["HF_TOKEN"], page: "https://huggingface.co/settings/tokens" },
  { id: "moonshotai", name: "Moonshot AI", url: "https://api.moonshot.ai/v1", env: ["MOONSHOT_API_KEY"], page: "https://platform.moonshot.ai/console/api-keys" },
  { id: "nvidia", name: "NVIDIA", url: "https://integrate.api.nvidia.com/v1", env: ["NVIDIA_API_KEY"], page: "https://build.nvidia.com" },
  { id: "together", name: "Together AI", url: "https://api.together.xyz/v1", env: ["TOGETHER_API_KEY"], page: "https://api.together.ai/settings/api-keys" },
  { id: "vercel-ai-gateway", name: "Vercel AI Gateway", url: "https://ai-gateway.vercel.sh/v1", env: ["AI_GATEWAY_API_KEY"], page: "https://vercel.com/ai-gateway" },
  { id: "zai", name: "Z.AI", url: "https://api.z.ai/api/paas/v4", env: ["ZAI_API_KEY"], page: "https://z.ai/manage-apikey/apikey-list" },
]
