from recap_assets_tests import small_project
def test_all(first_run):
    for r in first_run.outcome.ran: print(r)
    print(first_run.outcome.waiting)
def test_copy(built):
    print(small_project.run(built))
