// `node clients.mjs CLIENT FEATURE URL`: what a Node client is asked to do; ends with 1 where it does not get it.
import assert from "node:assert/strict";

const MODEL = "bloom-demo";
const MESSAGES = [{ role: "user", content: "给我介绍一个人" }];
const CITIES = ["北京", "上海"];
const PERSON = {
  type: "object",
  properties: { name: { type: "string", maxLength: 6 }, age: { type: "integer", minimum: 0, maximum: 99 } },
  required: ["name", "age"],
  additionalProperties: false,
};
const WEATHER = {
  type: "object",
  properties: { city: { type: "string", enum: CITIES } },
  required: ["city"],
  additionalProperties: false,
};

function isPerson(found) {
  return typeof found.name === "string" && Number.isInteger(found.age) && found.age >= 0 && found.age <= 99;
}

async function openaiClient(url) {
  const { default: OpenAI } = await import("openai");
  const client = new OpenAI({ baseURL: url, apiKey: "any", maxRetries: 0 });
  const short = { model: MODEL, messages: MESSAGES, temperature: 0, max_tokens: 16 };
  const long = { ...short, max_tokens: 200 };
  return {
    async answer() {
      assert.ok((await client.chat.completions.create(short)).choices[0].message.content);
    },
    async stream() {
      let text = "";
      for await (const chunk of await client.chat.completions.create({ ...short, stream: true }))
        text += chunk.choices[0].delta.content ?? "";
      assert.equal(text, (await client.chat.completions.create(short)).choices[0].message.content);
    },
    async schema() {
      const response_format = { type: "json_schema", json_schema: { name: "person", strict: true, schema: PERSON } };
      const answer = await client.chat.completions.parse({ ...long, response_format });
      assert.ok(isPerson(answer.choices[0].message.parsed));
    },
    async tools() {
      const tools = [{ type: "function", function: { name: "get_weather", parameters: WEATHER } }];
      const answer = await client.chat.completions.create({ ...long, tools, tool_choice: "required" });
      assert.ok(CITIES.includes(JSON.parse(answer.choices[0].message.tool_calls[0].function.arguments).city));
    },
    async logprobs() {
      const answer = await client.chat.completions.create({ ...short, logprobs: true, top_logprobs: 2 });
      assert.equal(answer.choices[0].logprobs.content[0].top_logprobs.length, 2);
    },
    async responses() {
      assert.ok((await client.responses.create({ model: MODEL, input: "你好", max_output_tokens: 16 })).output_text);
      const tools = [{ type: "function", name: "get_weather", parameters: WEATHER, strict: true }];
      const called = await client.responses.create({ model: MODEL, input: "天气", tools, tool_choice: "required" });
      assert.ok(CITIES.includes(JSON.parse(called.output[0].arguments).city));
    },
  };
}

async function aiSdk(url) {
  const { generateText, streamText, generateObject, tool, jsonSchema } = await import("ai");
  const { createOpenAICompatible } = await import("@ai-sdk/openai-compatible");
  const provider = createOpenAICompatible({ name: "easyaigc", baseURL: url, apiKey: "any", supportsStructuredOutputs: true });
  const asked = { model: provider(MODEL), messages: MESSAGES, temperature: 0, maxOutputTokens: 200, maxRetries: 0 };
  return {
    async answer() {
      assert.ok((await generateText({ ...asked, maxOutputTokens: 16 })).text);
    },
    async stream() {
      let text = "";
      for await (const piece of streamText({ ...asked, maxOutputTokens: 16 }).textStream) text += piece;
      assert.equal(text, (await generateText({ ...asked, maxOutputTokens: 16 })).text);
    },
    async schema() {
      assert.ok(isPerson((await generateObject({ ...asked, schema: jsonSchema(PERSON) })).object));
    },
    async tools() {
      const weather = tool({ description: "今天的天气", inputSchema: jsonSchema(WEATHER), execute: async ({ city }) => `${city}晴` });
      const answer = await generateText({ ...asked, tools: { get_weather: weather }, toolChoice: "required" });
      assert.ok(CITIES.includes(answer.toolCalls[0].input.city));
      assert.match(answer.toolResults[0].output, /晴/);
    },
  };
}

const [client, feature, url] = process.argv.slice(2);
await (await { "openai-node": openaiClient, "ai-sdk": aiSdk }[client](url))[feature]();
