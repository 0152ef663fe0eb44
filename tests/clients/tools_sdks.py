"""Libraries of APIs as their users have them: the keys are in the environment, and nothing else is set."""
import os

import anthropic
import openai
import requests

QUESTION = [{"role": "user", "content": "hello"}]

client = openai.OpenAI()
print(client.chat.completions.create(model="m", messages=QUESTION).choices[0].message.content)
pieces = client.chat.completions.create(model="m", messages=QUESTION, stream=True)
print("".join(piece.choices[0].delta.content for piece in pieces))
print(anthropic.Anthropic().messages.create(model="m", max_tokens=9, messages=QUESTION).content[0].text)
token = os.environ["API_KEY"]
print(requests.get("https://api.example.test/user", headers={"Authorization": "Bearer " + token}).text)
print(requests.get("https://api.example.test/user", auth=("me", token)).text)
