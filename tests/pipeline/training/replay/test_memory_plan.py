"""Which buffers may lie in the same memory."""

import random

from pipeline.training.replay.memory_plan import BufferLifetime, MemoryPlan


def test_buffers_in_use_at_the_same_call_never_share_a_block() -> None:
    chance, plan = random.Random(0), MemoryPlan()
    for _ in range(20):
        starts = [chance.randrange(30) for _ in range(40)]
        lifetimes = [
            BufferLifetime(chance.choice([64, 100, 4096]), start, start + chance.randrange(6)) for start in starts
        ]
        blocks = plan.assign(lifetimes)
        for one in range(len(lifetimes)):
            assert len(blocks[one]) >= lifetimes[one].size_bytes
            for other in range(one):
                apart = (
                    lifetimes[one].last_call < lifetimes[other].first_call
                    or lifetimes[other].last_call < lifetimes[one].first_call
                )
                assert apart or blocks[one] is not blocks[other]


def test_buffers_that_follow_each_other_share_one_block() -> None:
    plan = MemoryPlan()
    blocks = plan.assign([BufferLifetime(1000, 0, 1), BufferLifetime(1000, 2, 3), BufferLifetime(900, 4, 4)])
    assert blocks[0] is blocks[1] is blocks[2]
    assert [len(block) for block in plan.blocks] == [1000]


def test_a_small_buffer_does_not_occupy_a_large_block() -> None:
    plan = MemoryPlan()
    large, small = plan.assign([BufferLifetime(1_000_000, 0, 1), BufferLifetime(64, 2, 3)])
    assert large is not small


def test_blocks_lie_at_addresses_as_pytorchs_own_tensors_do() -> None:
    blocks = MemoryPlan().assign([BufferLifetime(size, 0, 0) for size in (1, 7, 100, 4096)])
    assert all(block.data_ptr() % 64 == 0 for block in blocks)
