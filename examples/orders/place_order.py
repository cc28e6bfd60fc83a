"""Deploy the order process, place one order, and wait for its end."""

import sys
from pathlib import Path

import trio

import zbtrio


async def main(address: str) -> None:
    async with zbtrio.ZeebeClient(address) as client:
        await client.deploy_resource(Path(__file__).with_name("order-process.bpmn"))
        result = await client.create_process_instance_with_result(
            "order-process",
            {"orderId": 1, "items": ["hat", "book"], "amount": 48.5},
            request_timeout=30,
        )
        print(f"order 1: {result.variables['outcome']}")


trio.run(main, sys.argv[1])
