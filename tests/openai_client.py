"""Conformance of a server's API with the official `openai` Python client: one line per check, exit code 1 on failure.

Usage: python openai_client.py http://127.0.0.1:8080   (needs `pip install openai openapi-spec-validator`)
"""

import json
import sys
import traceback
import urllib.request

import openai
import openapi_spec_validator

PROMPT = "What is 2 + 3?"
IDS = {"return_token_ids": True}
CHECKS = []


def check(function):
    CHECKS.append(function)
    return function


class Api:
    def __init__(self, base):
        self.root = base.rstrip("/").removesuffix("/v1")
        self.client = openai.OpenAI(base_url=self.root + "/v1", api_key="none", max_retries=0)
        self.model = self.client.models.list().data[0].id

    def complete(self, prompt=PROMPT, **more):
        more = {"max_tokens": 12, "temperature": 0, **more}
        return self.client.completions.create(model=self.model, prompt=prompt, **more)

    def chat(self, **more):
        messages = more.pop("messages", [{"role": "user", "content": PROMPT}])
        more = {"max_tokens": 12, "temperature": 0, **more}
        return self.client.chat.completions.create(model=self.model, messages=messages, **more)


def same(found, wanted):
    assert found == wanted, f"{found!r} instead of {wanted!r}"


def fails(kind, call, says=""):
    try:
        call()
    except kind as error:
        assert error.body and error.body["message"], f"an error without a message: {error.body!r}"
        assert says in str(error), f"{says!r} is not in {error}"
        return error
    raise AssertionError(f"no {kind.__name__}")


@check
def the_document_is_openapi(api):
    with urllib.request.urlopen(api.root + "/openapi.json") as answer:
        document = json.load(answer)
    openapi_spec_validator.validate(document)
    assert "/v1/sessions/{id}/tokens" in document["paths"]


@check
def models_are_listed(api):
    same([model.id for model in api.client.models.list()], [api.model])
    same(api.client.models.retrieve(api.model).id, api.model)


@check
def a_completion_has_text_reason_and_usage(api):
    answer = api.complete()
    same(answer.object, "text_completion")
    assert answer.choices[0].text, "no text"
    assert answer.choices[0].finish_reason in ("stop", "length")
    usage = answer.usage
    same(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens)
    assert 1 <= usage.completion_tokens <= 12


@check
def a_prompt_of_ids_equals_its_text(api):
    text = api.complete(extra_body=IDS).choices[0]
    ids = api.complete(prompt=text.prompt_token_ids, extra_body=IDS).choices[0]
    same((ids.text, ids.token_ids), (text.text, text.token_ids))


@check
def one_token_at_a_time_equals_one_answer(api):
    whole = api.complete(extra_body=IDS).choices[0]
    prefix, single = list(whole.prompt_token_ids), []
    for _ in whole.token_ids:
        single += api.complete(prompt=prefix + single, max_tokens=1, extra_body=IDS).choices[0].token_ids
    same(single, whole.token_ids)


@check
def a_repeated_prefix_is_cached(api):
    api.complete(max_tokens=1)
    usage = api.complete(max_tokens=1).usage
    same(usage.prompt_tokens_details.cached_tokens, usage.prompt_tokens - 1)


@check
def log_probabilities(api):
    answer = api.complete(logprobs=3, extra_body=IDS)
    logprobs = answer.choices[0].logprobs
    count = len(answer.choices[0].token_ids)
    for name in ("tokens", "token_logprobs", "top_logprobs", "text_offset"):
        same(len(getattr(logprobs, name)), count)
    assert all(value <= 0 for value in logprobs.token_logprobs)
    for token, value, top in zip(logprobs.tokens, logprobs.token_logprobs, logprobs.top_logprobs):
        assert 1 <= len(top) <= 3 and abs(max(top.values()) - value) < 1e-5, f"greedy {token!r} is not the best of {top}"


@check
def log_probabilities_by_id(api):
    choice = api.complete(logprobs=1, extra_body={**IDS, "return_tokens_as_token_ids": True}).choices[0]
    same(choice.logprobs.tokens, [f"token_id:{token}" for token in choice.token_ids])


@check
def a_stop_string_ends_the_text(api):
    whole = api.complete().choices[0].text
    stop = whole[len(whole) // 2 :][:2]
    choice = api.complete(stop=[stop, "\0never"]).choices[0]
    same((choice.text, choice.finish_reason), (whole[: whole.index(stop)], "stop"))


@check
def max_tokens_ends_the_text(api):
    answer = api.complete(max_tokens=1)
    same(answer.usage.completion_tokens, 1)


@check
def a_seed_repeats_the_answer(api):
    def draw(seed):
        return api.complete(temperature=1, seed=seed, extra_body=IDS).choices[0].token_ids

    same(draw(7), draw(7))
    assert len({tuple(draw(seed)) for seed in range(12)}) > 1, "twelve seeds gave the same answer"


@check
def a_streamed_completion_equals_the_whole(api):
    whole = api.complete()
    chunks = list(api.complete(stream=True, stream_options={"include_usage": True}))
    same("".join(chunk.choices[0].text for chunk in chunks if chunk.choices), whole.choices[0].text)
    same([chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1], whole.choices[0].finish_reason)
    same(chunks[-1].usage.completion_tokens, whole.usage.completion_tokens)


@check
def a_chat_answers(api):
    answer = api.chat()
    same((answer.object, answer.choices[0].message.role), ("chat.completion", "assistant"))
    assert answer.choices[0].message.content is not None
    parts = [{"type": "text", "text": PROMPT}]
    same(api.chat(messages=[{"role": "user", "content": parts}]).choices[0].message.content, answer.choices[0].message.content)


@check
def a_streamed_chat_equals_the_whole(api):
    whole = api.chat()
    chunks = list(api.chat(stream=True))
    same(chunks[0].choices[0].delta.role, "assistant")
    same("".join(chunk.choices[0].delta.content or "" for chunk in chunks), whole.choices[0].message.content)
    same(chunks[-1].choices[0].finish_reason, whole.choices[0].finish_reason)


@check
def chat_log_probabilities(api):
    content = api.chat(logprobs=True, top_logprobs=2).choices[0].logprobs.content
    assert content and all(len(entry.top_logprobs) == 2 and entry.logprob <= 0 for entry in content)


@check
def a_stream_that_is_left_does_not_block(api):
    stream = api.complete(stream=True, max_tokens=200)
    next(iter(stream))
    stream.close()
    api.complete(max_tokens=1)


@check
def wrong_requests_are_bad_requests(api):
    bad = openai.BadRequestError
    same(fails(bad, lambda: api.complete(max_tokens=0), "max_tokens").param, "max_tokens")
    same(fails(bad, lambda: api.complete(n=2), "n ").param, "n")
    same(fails(bad, lambda: api.complete(prompt=["a", "b"]), "prompt").type, "invalid_request_error")
    fails(bad, lambda: api.complete(prompt=[2**31 - 1]), "vocabulary")
    fails(bad, lambda: api.complete(temperature=3), "temperature")
    fails(bad, lambda: api.complete(echo=True), "echo")
    same(fails(bad, lambda: api.complete(prompt=[0] * 20_000)).code, "context_length_exceeded")
    fails(bad, lambda: api.chat(messages=[]), "messages")


@check
def unknown_models_are_not_found(api):
    call = api.client.completions.create
    same(fails(openai.NotFoundError, lambda: call(model="no-such-model", prompt="a")).code, "model_not_found")
    fails(openai.NotFoundError, lambda: api.client.embeddings.create(model=api.model, input="a"))


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    api = Api(sys.argv[1])
    failed = 0
    for function in CHECKS:
        name = function.__name__.replace("_", " ")
        try:
            function(api)
            print(f"ok      {name}")
        except Exception as error:
            failed += 1
            place = traceback.extract_tb(error.__traceback__)[1]
            print(f"FAILED  {name}: line {place.lineno}: {type(error).__name__}: {error}")
    print(f"{len(CHECKS) - failed} of {len(CHECKS)} checks passed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
